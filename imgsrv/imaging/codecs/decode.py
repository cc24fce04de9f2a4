"""Bytes to a Picture: sniffed, checked from the header, decoded as planned, upright and in sRGB."""

from __future__ import annotations

import io
import math
import warnings
from dataclasses import dataclass
from mmap import mmap
from typing import IO, Any

from PIL import AvifImagePlugin, Image, TiffImagePlugin, UnidentifiedImageError

from imgsrv.errors import NoSuchFrame, TooManyFrames, TooManyPixels, Undecodable
from imgsrv.imaging.codecs.checked_file import SIZES, CheckedFile
from imgsrv.imaging.codecs.sniff import SNIFF_BYTES, sniff
from imgsrv.imaging.colour.icc import deep_grey, may_stay_deep, to_profile, working_profile
from imgsrv.imaging.formats import FORMATS, png, webp
from imgsrv.imaging.metadata.exif import read_metadata, read_orientation
from imgsrv.imaging.model.broken import broken_is_ours
from imgsrv.imaging.model.limits import Data, Limits, Size
from imgsrv.imaging.model.picture import Frame, Picture, Source
from imgsrv.imaging.pipelines.decode_plan import DecodePlan
from imgsrv.imaging.pixels.malloc import keep_freed_memory
from imgsrv.imaging.pixels.orientation import SIDEWAYS, upright
from imgsrv.imaging.pixels.sixteen_bit import read_deep

# Pillow warns of odd tags and of large pictures; the first do no harm, the second are ours to refuse.
warnings.filterwarnings("ignore", module=r"PIL\.")
# Our own limit is checked from the header, with a message that names it.
Image.MAX_IMAGE_PIXELS = None
# An engine owns one core; libavif would start a thread for each core of the machine.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
keep_freed_memory()

UNREAD_TIFF_COLOURS = {
    8: "CIELAB of more than 8 bits",
    9: "ICCLAB",
    10: "ITULAB",
    32_803: "the raw data of a camera's sensor",
}
"""Photometric interpretations that Pillow's wheel does not read."""


@dataclass(frozen=True, slots=True)
class Header:
    """What is known before decoding.  size: upright.  frames: 1 where the file must be read to count them.

    index: of the one frame or page that is wanted.
    """

    format: str
    size: Size
    frames: int
    orientation: int
    image: Image.Image
    index: int | None = None


def read_header(data: Data, limits: Limits, index: int | None = None) -> Header:
    """The header of a picture within the limits.

    index: of the one frame or page that is wanted.  Raises UnsupportedFormat, Undecodable, TooManyPixels,
    TooManyFrames or NoSuchFrame.
    """
    return open_header(sniff(bytes(data[:SNIFF_BYTES])), _as_file(data), limits, index)


def open_header(name: str, file: IO[bytes], limits: Limits, index: int | None = None) -> Header:
    """The header of a picture of the format `name`; it must be a file's own beginning."""
    checked: Any = CheckedFile(name, file, limits) if name in SIZES else file
    with broken_is_ours(name):
        try:
            image = Image.open(checked, formats=[FORMATS[name].pillow])
        except UnidentifiedImageError as error:
            raise _unread_variant(name, file) from error
        # GIF and TIFF count frames by walking through the file; theirs are counted while they are decoded.
        frames = getattr(image, "n_frames", 1) if name in ("png", "webp", "avif") else 1
    limits.check_header(image.size, frames)
    if index is not None:
        _choose(name, image, index, limits)
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        # libtiff decodes whole tiles, however little of them the picture shows.
        limits.check_header(_tile_size(image))
    orientation = read_orientation(image)
    size = image.size[::-1] if orientation in SIDEWAYS else image.size
    return Header(name, size, frames, orientation, image, index)


def _choose(name: str, image: Image.Image, index: int, limits: Limits) -> None:
    """Go to the frame or page.  Raises NoSuchFrame, TooManyFrames, TooManyPixels, Undecodable."""
    if index >= limits.max_frames:
        raise TooManyFrames(limits.max_frames)
    with broken_is_ours(name):
        try:
            image.seek(index + _default_images(image))
        except EOFError as error:
            asked = f"page={index + 1}" if name == "tiff" else f"frame={index}"
            raise NoSuchFrame(asked, _counted(image, index)) from error
    # Each page of a TIFF has a size of its own.
    limits.check_header(image.size)


def _counted(image: Image.Image, most: int) -> int:
    """How many frames there are, up to `most`; Pillow's own count is one more after it has looked for one in vain."""
    for index in range(most):
        try:
            image.seek(index + _default_images(image))
        except EOFError:
            return index
    return most


def _default_images(image: Image.Image) -> int:
    """The picture that an animated PNG shows to those who cannot play it is not part of the animation."""
    return 1 if getattr(image, "is_animated", False) and image.info.get("default_image") else 0


def _unread_variant(name: str, file: IO[bytes]) -> Undecodable:
    """Why Pillow does not know a picture whose first bytes are right: a TIFF names its colours."""
    if name == "tiff":
        file.seek(0)
        directory = TiffImagePlugin.ImageFileDirectory_v2(file.read(8))
        file.seek(directory.next)
        directory.load(file)
        if colours := UNREAD_TIFF_COLOURS.get(directory.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION, -1)):
            return Undecodable(name, f"{colours} is not read from a TIFF", "save it as RGB")
    return Undecodable(name, "its header is broken or of a variant that is not read")


def _tile_size(image: TiffImagePlugin.TiffImageFile) -> Size:
    width, height = (image.tag_v2.get(tag, 1) for tag in (TiffImagePlugin.TILEWIDTH, TiffImagePlugin.TILELENGTH))
    return (width, height) if isinstance(width, int) and isinstance(height, int) else (1, 1)


def decode(header: Header, plan: DecodePlan, limits: Limits) -> Picture:
    """The picture behind the header, at the scale and with the frames of the plan.

    Raises Undecodable, and TooManyFrames or TooManyPixels where only decoding can count the frames.
    """
    image, full_size = header.image, header.image.size
    with broken_is_ours(header.format):
        metadata = read_metadata(image)
        if plan.scale > 1:
            image.draft(None, (full_size[0] // plan.scale, full_size[1] // plan.scale))
        if header.format == "svg":
            image.draft(None, _drawn_size(full_size, plan.drawn, limits))
        frames, durations, profile = _frames(header, plan, limits)
    source = _source(header, plan.scale, image.size) if image.size != full_size else None
    # Pillow neither reads nor writes how often an AVIF repeats; players repeat it for ever.
    loop = 0 if header.format == "avif" else image.info.get("loop")
    picture = Picture(frames, header.format, durations, loop, metadata, source, profile)
    for frame in frames:
        # What the file said of itself must not reach the encoder through the back door.
        frame.info = {}
    return picture


def _drawn_size(size: Size, drawn: float, limits: Limits) -> Size:
    """The pixels of a drawing: as wanted, but no more than the limits allow."""
    factor = min(drawn, math.sqrt(limits.max_pixels / (size[0] * size[1])))
    return max(1, math.floor(size[0] * factor)), max(1, math.floor(size[1] * factor))


def _frames(
    header: Header, plan: DecodePlan, limits: Limits
) -> tuple[tuple[Frame, ...], tuple[int, ...], bytes | None]:
    """The frames, how long each stands, and the profile of their colours."""
    image = header.image
    profile = target = None
    has_many = (
        plan.all_frames
        and header.index is None
        and FORMATS[header.format].has_animation
        and getattr(image, "is_animated", False)
    )
    first = image.tell() if header.index is not None else _default_images(image) if has_many else 0
    frames: list[Frame] = []
    durations: list[int] = []
    for index in range(first, first + (limits.max_frames + 1 if has_many else 1)):
        try:
            image.seek(index)
        except EOFError:
            break
        if len(frames) == limits.max_frames:
            raise TooManyFrames(limits.max_frames)
        if image.width * image.height * (len(frames) + 1) > limits.max_pixels:
            raise TooManyPixels(*image.size, len(frames) + 1, limits.max_pixels)
        deep = read_deep(image) if plan.is_deep and may_stay_deep(image.info.get("icc_profile"), plan.icc) else None
        plain = deep or png.read_pixels(image) or webp.read_pixels(image)
        if plain is None:
            image.load()
        if not frames:
            # Some decoders find the profile beside the pixels.
            profile = image.info.get("icc_profile")
            target = working_profile(image, profile, plan.icc)
        kept = deep or (deep_grey(image, profile) if plan.is_deep else None)
        frame = upright(kept or to_profile(plain or image, profile, target), header.orientation)
        frames.append(_detached(image, has_more=has_many) if frame is image else frame)
        durations.append(max(0, round(image.info.get("duration", 0))))
    return _alike(frames), tuple(durations), target


def _detached(image: Image.Image, *, has_more: bool) -> Frame:
    """The pixels of an image file without the file, whose tags and frames the encoders would pick up."""
    if has_more:
        # Pillow decodes the next frame of an animation into the same image.
        return image.copy()
    # copy() would double the memory.
    return image._new(image.im)  # noqa: SLF001


def _alike(frames: list[Frame]) -> tuple[Frame, ...]:
    """The frames in one mode and size: a GIF may have alpha in some only, and frames that stick out of it."""
    mode = "RGBA" if any(frame.mode == "RGBA" for frame in frames) else frames[0].mode
    size = frames[0].size
    cropped = [frame if frame.size == size else frame.crop((0, 0, *size)) for frame in frames]
    return tuple(frame if frame.mode == mode else frame.convert(mode) for frame in cropped)


def _source(header: Header, scale: int, decoded: Size) -> Source:
    """Where the picture lies in a frame decoded at 1/scale: libjpeg rounds up on the right and below.

    A drawing fills whatever it is drawn on.
    """
    if header.format == "svg":
        return Source(header.size, (0.0, 0.0, float(decoded[0]), float(decoded[1])))
    stored = header.size[::-1] if header.orientation in SIDEWAYS else header.size
    width, height = stored[0] / scale, stored[1] / scale
    spare_x, spare_y = decoded[0] - width, decoded[1] - height
    if header.orientation in SIDEWAYS:
        width, height, spare_x, spare_y = height, width, spare_y, spare_x
    # The spare strip moves with the picture when that is turned upright.
    left = spare_x if header.orientation in (2, 3, 6, 7) else 0.0
    top = spare_y if header.orientation in (3, 4, 7, 8) else 0.0
    return Source(header.size, (left, top, width, height))


def _as_file(data: Data) -> IO[bytes]:
    """A seekable file over the bytes; a mapping is one already and is not copied."""
    if isinstance(data, mmap):
        data.seek(0)
        return data  # type: ignore[return-value]  # it has the read, seek and tell that Pillow calls
    return io.BytesIO(data)
