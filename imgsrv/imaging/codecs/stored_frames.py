"""The frames of a file one after another, each as an opened image: what Pillow seeks, or the parts of an animation."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice

from PIL import Image

from imgsrv.errors import NoSuchFrame
from imgsrv.imaging.codecs.animate import is_on_canvas
from imgsrv.imaging.formats.format import Format
from imgsrv.imaging.model.animation import FOR_EVER, Disposal, Milliseconds, Part
from imgsrv.imaging.model.broken import as_far_as_whole
from imgsrv.imaging.model.limits import Data, Limits

COLOURS = ("icc_profile", "cicp", "gamma", "chromaticity", "srgb")
"""Keys of Pillow's `info` about colours; a part has the colours of its file."""


@dataclass(frozen=True, slots=True)
class StoredFrame:
    """A frame before its pixels are decoded.

    image: opened, and at the frame.  part: its place in an animation that is composed here.  is_wanted: False for a
    frame that is composed only because a later one needs it.
    """

    image: Image.Image
    part: Part | None = None
    is_wanted: bool = True

    @property
    def duration(self) -> Milliseconds:
        """How long it stands; some decoders of Pillow know it only with the pixels."""
        return self.part.duration if self.part else max(0, round(self.image.info.get("duration", 0)))


def stored_frames(
    form: Format, image: Image.Image, data: Data, limits: Limits, index: int | None, *, has_many: bool
) -> Iterator[StoredFrame]:
    """The frames of an opened file.

    index: of the one frame that is wanted, at which `choose_frame` has left the image.  has_many: all frames are
    wanted; otherwise the first one is.  Raises TooManyPixels, TooManyFrames and one of BROKEN.
    """
    animation = form.split(data) if form.split else None
    if animation:
        last = None if has_many else index or 0
        yield from _parts(form, image, animation.parts, limits, last)
        return
    first = image.tell() if index is not None else 0
    has_many = has_many and getattr(image, "is_animated", False)
    for number in range(first, first + (limits.max_frames + 1 if has_many else 1)):
        try:
            image.seek(number)
        except EOFError:
            return
        limits.check_input(image.size, number - first + 1)
        yield StoredFrame(image)


def _parts(
    form: Format, image: Image.Image, parts: Iterator[Part], limits: Limits, last: int | None
) -> Iterator[StoredFrame]:
    """The parts of an animation up to the last one; without it all are wanted, else only that one."""
    found = list(as_far_as_whole(islice(parts, limits.max_frames + 1 if last is None else last + 1)))
    if not found:
        # A PNG that only announces an animation, or whose animation is broken.
        yield StoredFrame(image)
    # A frame of a GIF may be larger than its screen.
    width = max([image.width, *(part.place[0] + part.size[0] for part in found)])
    height = max([image.height, *(part.place[1] + part.size[1] for part in found)])
    # Frames before the wanted one are not kept; larger than the canvas, they are more work than its size says.
    are_counted = last is None or (width, height) != image.size
    limits.check_input((width, height), len(found) if are_counted else 1)
    for number, part in enumerate(found):
        opened, painted = _opened(form, image, part)
        yield StoredFrame(opened, painted, is_wanted=last in (None, number))


def _opened(form: Format, image: Image.Image, part: Part) -> tuple[Image.Image, Part]:
    """The still picture of the part, and the part.  Raises one of BROKEN."""
    if not is_on_canvas(part, image.size):
        return Image.new("RGBA", (1, 1)), replace(part, place=(0, 0), size=(1, 1), is_over=True, disposal=Disposal.KEEP)
    data = part.still()
    still = form.read_still(data, part.size)
    if still is None:
        still = Image.open(io.BytesIO(data), formats=[form.reader or form.pillow])
    if still.size != part.size:
        raise SyntaxError("a frame has another size than its file says")
    still.info.update((key, image.info[key]) for key in COLOURS if key in image.info)
    return still, part


def choose_frame(form: Format, image: Image.Image, data: Data, index: int, limits: Limits) -> None:
    """Go to the frame or page.  Raises NoSuchFrame, TooManyFrames, TooManyPixels, and one of BROKEN."""
    # A picture with few frames is told so, whatever the limit is.
    most = limits.frames_to_seek(index)
    animation = form.split(data) if form.split else None
    if animation:
        # Without a part there is the default image of a PNG.
        found = sum(1 for _part in islice(animation.parts, most)) or 1
    else:
        found = most if _is_there(image, most - 1) else _counted(image, most - 1)
    if found < most:
        raise NoSuchFrame(f"frame={index}", found)
    limits.check_frames(index + 1, f"frame={index}")
    if not form.is_vector:
        # Each page of a TIFF has a size of its own.
        limits.check_input(image.size)


def _is_there(image: Image.Image, index: int) -> bool:
    try:
        image.seek(index)
    except EOFError:
        return False
    return True


def _counted(image: Image.Image, most: int) -> int:
    """The number of frames, up to `most`.  After a failed seek, Pillow's own count is one too high."""
    return next((index for index in range(most) if not _is_there(image, index)), most)


def read_plays(form: Format, image: Image.Image, data: Data) -> int:
    """How often the animation plays, FOR_EVER without an end."""
    animation = form.split(data) if form.split else None
    return animation.plays() if animation else max(FOR_EVER, int(image.info.get("loop", form.plays)))


def shows_canvas(form: Format, image: Image.Image, data: Data, limits: Limits) -> bool:
    """Whether an animation may show canvas on which nothing is painted, by the places and disposals of its parts."""
    animation = form.split(data) if form.split else None
    parts: list[Part] = []
    if animation:
        # A file that is broken behind its first frame is described too.
        with suppress(LookupError, struct.error, SyntaxError):
            parts.extend(islice(animation.parts, limits.max_frames))
    if not parts:
        return False
    (left, top), (width, height) = parts[0].place, parts[0].size
    covers = left == top == 0 and width >= image.width and height >= image.height
    is_cleared = any(part.disposal is Disposal.CLEAR for part in parts[:-1])
    return not covers or is_cleared or (len(parts) > 1 and parts[0].disposal is Disposal.RESTORE)


def own_frames(image: Image.Image) -> int:
    """The number of frames by the header, without a picture for viewers that cannot play an animated PNG."""
    frames = int(getattr(image, "n_frames", 1))
    return frames - 1 if getattr(image, "is_animated", False) and image.info.get("default_image") else frames
