"""Bytes to a Picture: sniffed, checked from the header, decoded as planned, upright and in sRGB."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from mmap import mmap
from typing import IO

from PIL import AvifImagePlugin, ExifTags, Image, UnidentifiedImageError

from imgsrv.errors import TooManyFrames, TooManyPixels, Undecodable
from imgsrv.imaging.formats import FORMATS
from imgsrv.imaging.limits import Limits, Size
from imgsrv.imaging.picture import Frame, Metadata, Picture, Source
from imgsrv.imaging.plan import DecodePlan
from imgsrv.imaging.profiles import to_srgb
from imgsrv.imaging.sniff import SNIFF_BYTES, sniff

Data = bytes | memoryview | mmap
"""The bytes of a picture file."""

# Pillow warns of odd tags and of large pictures; the first do no harm, the second are ours to refuse.
warnings.filterwarnings("ignore", module=r"PIL\.")
# Our own limit is checked from the header, with a message that names it.
Image.MAX_IMAGE_PIXELS = None
# An engine owns one core; libavif would start a thread for each core of the machine.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1

_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    struct.error,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
)
"""What Pillow's readers raise on broken files, read from their sources and seen with the hostile corpus."""

_TRANSPOSED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture upright, for each EXIF orientation but 1."""

SIDEWAYS = (5, 6, 7, 8)
"""The orientations that exchange width and height."""


@dataclass(frozen=True, slots=True)
class Header:
    """What is known before decoding.  size: upright.  frames: 1 where the file must be read to count them."""

    format: str
    size: Size
    frames: int
    orientation: int
    image: Image.Image


def read_header(data: Data, limits: Limits) -> Header:
    """The header of a picture within the limits.

    Raises UnsupportedFormat, Undecodable, TooManyPixels or TooManyFrames.
    """
    name = sniff(bytes(data[:SNIFF_BYTES]))
    with _broken_is_ours(name):
        image = Image.open(_as_file(data), formats=[FORMATS[name].pillow])
        # GIF and TIFF count frames by walking through the file; theirs are counted while they are decoded.
        frames = getattr(image, "n_frames", 1) if name in ("png", "webp", "avif") else 1
    limits.check_header(image.size, frames)
    orientation = _orientation(image)
    size = image.size[::-1] if orientation in SIDEWAYS else image.size
    return Header(name, size, frames, orientation, image)


def decode(header: Header, plan: DecodePlan, limits: Limits) -> Picture:
    """The picture behind the header, at the scale and with the frames of the plan.

    Raises Undecodable, and TooManyFrames or TooManyPixels where only decoding can count the frames.
    """
    image, full_size = header.image, header.image.size
    with _broken_is_ours(header.format):
        metadata = Metadata(_exif(image), _xmp(image))
        if plan.scale > 1:
            image.draft(None, (full_size[0] // plan.scale, full_size[1] // plan.scale))
        frames, durations = _frames(header, plan, limits)
    source = _source(header, plan.scale, image.size) if image.size != full_size else None
    picture = Picture(frames, header.format, durations, image.info.get("loop"), metadata, source)
    for frame in frames:
        # What the file said of itself must not reach the encoder through the back door.
        frame.info = {}
    return picture


def _frames(header: Header, plan: DecodePlan, limits: Limits) -> tuple[tuple[Frame, ...], tuple[int, ...]]:
    image = header.image
    profile = image.info.get("icc_profile")
    frames: list[Frame] = []
    durations: list[int] = []
    wanted = limits.max_frames + 1 if plan.all_frames and FORMATS[header.format].has_animation else 1
    for index in range(wanted):
        try:
            image.seek(index)
        except EOFError:
            break
        if index == limits.max_frames:
            raise TooManyFrames(limits.max_frames)
        if image.width * image.height * (index + 1) > limits.max_pixels:
            raise TooManyPixels(*image.size, index + 1, limits.max_pixels)
        image.load()
        frame = _upright(to_srgb(image, profile), header.orientation)
        # Pillow decodes the next frame of an animation into the same image.
        frames.append(image.copy() if frame is image and wanted > 1 else frame)
        durations.append(round(image.info.get("duration", 0)))
    return tuple(frames), tuple(durations)


def _upright(frame: Frame, orientation: int) -> Frame:
    return frame.transpose(_TRANSPOSED[orientation]) if orientation in _TRANSPOSED else frame


def _source(header: Header, scale: int, decoded: Size) -> Source:
    """Where the picture lies in a frame decoded at 1/scale: libjpeg rounds up on the right and below."""
    stored = header.size[::-1] if header.orientation in SIDEWAYS else header.size
    width, height = stored[0] / scale, stored[1] / scale
    spare_x, spare_y = decoded[0] - width, decoded[1] - height
    if header.orientation in SIDEWAYS:
        width, height, spare_x, spare_y = height, width, spare_y, spare_x
    # The spare strip moves with the picture when that is turned upright.
    left = spare_x if header.orientation in (2, 3, 6, 7) else 0.0
    top = spare_y if header.orientation in (3, 4, 7, 8) else 0.0
    return Source(header.size, (left, top, width, height))


def _orientation(image: Image.Image) -> int:
    value = _exif(image).get(ExifTags.Base.Orientation, 1)
    return value if value in _TRANSPOSED else 1


def _exif(image: Image.Image) -> Image.Exif:
    """The EXIF data, empty where there is none that can be read: a broken tag costs the tag, not the picture."""
    if image.format == "PNG" and not {"exif", "Raw profile type exif"} & image.info.keys():
        # Pillow would decode the whole picture to look for the tag behind the pixels.
        return Image.Exif()
    try:
        return image.getexif()
    except _BROKEN:
        return Image.Exif()


def _xmp(image: Image.Image) -> bytes | None:
    xmp = image.info.get("xmp")
    return xmp.encode() if isinstance(xmp, str) else xmp


def _as_file(data: Data) -> IO[bytes]:
    """A seekable file over the bytes; a mapping is one already and is not copied."""
    if isinstance(data, mmap):
        data.seek(0)
        return data  # type: ignore[return-value]  # it has the read, seek and tell that Pillow calls
    return io.BytesIO(data)


@contextmanager
def _broken_is_ours(name: str) -> Iterator[None]:
    try:
        yield
    except UnidentifiedImageError as error:
        raise Undecodable(name, "its header is broken or of a variant that is not read") from error
    except (TooManyFrames, TooManyPixels):
        raise
    except MemoryError as error:
        raise Undecodable(name, "there is not enough memory to decode it") from error
    except _BROKEN as error:
        raise Undecodable(name, str(error) or type(error).__name__) from error
