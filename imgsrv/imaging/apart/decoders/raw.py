"""Camera raw by LibRaw: facts of a file, the picture developed, and at a smaller scale the camera's own preview.

LibRaw develops with the white balance of the camera, into sRGB, and as bright as its rule has it: a hundredth of the
pixels becomes white.
"""

from __future__ import annotations

import io
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import ExifTags, Image

from imgsrv.imaging.apart.tasks import Decoded, Decoder, Order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SRGB_CURVE = (2.4, 12.92)
"""Power and slope of the curve, as LibRaw wants them."""

CHANNELS = 3

ALIKE = 0.02
"""A preview whose sides differ more in their ratio from those of the picture shows another part."""

LAST_ROWS = 16
"""The part of the rows that is looked at to find out whether they are there."""

LEAST_BITS = 0.25
"""Bits of a file for a pixel of its sensor; the strongest compression of cameras leaves more than 1."""

GAP = 3.0
"""Pillow makes a picture smaller by whole pixels first, down to so many times the size."""

SIDEWAYS, TURNS = 4, {3: 180, 5: 90, 6: 270}
"""A bit of LibRaw's orientation; and degrees to turn by, against the clock."""

ADOBE_RGB = "R03"
"""Interoperability index of a picture in Adobe RGB (DCF 2.0)."""

REASONS = {
    "LibRawFileUnsupportedError": "it is no raw file of a camera that LibRaw knows",
    "LibRawIOError": "it is cut off",
    "LibRawDataError": "its data is broken",
    "LibRawTooBigError": "it is too large for LibRaw",
    "LibRawUnsufficientMemoryError": "it needs too much memory",
}
"""What LibRaw's errors mean."""


def prepare() -> Decoder:
    """Make the decoder ready, where LibRaw is installed."""
    if find_spec("rawpy") is not None:
        with suppress(ValueError):
            decode(b"no raw file", {"facts": True})
        _use_pillow()
    return decode


def _use_pillow() -> None:
    """Load what Pillow loads late: for a JPEG with metadata, and for making it smaller."""
    file, exif = io.BytesIO(), Image.Exif()
    exif[ExifTags.Base.Orientation] = 1
    exif[ExifTags.IFD.Exif] = {ExifTags.IFD.Interop: {1: "R98"}}
    Image.new("RGB", (64, 48)).reduce(2).save(file, "JPEG", exif=exif)
    image = _opened_jpeg(file.getvalue(), (16, 12))
    if image is not None:
        _turned(image.resize((16, 12), Image.Resampling.LANCZOS, reducing_gap=GAP), 6)


def decode(data: bytes, order: Order) -> Decoded:
    """The facts of a file, or its picture.

    order: facts: only facts are wanted, and the size is that of one pixel; else mode, size and scale: its denominator.
    Raises ValueError.
    """
    with _opened(data) as raw:
        if order["facts"]:
            return Decoded(bytes(1), {"size": _size(raw), "bits": max(1, int(raw.white_level or 0).bit_length())})
        pixels = None
        if order["scale"] > 1 and order["mode"] == "RGB":
            pixels = _preview(raw, order["size"])
        if pixels is None:
            _check_sensor(raw, len(data))
            pixels = _developed(raw, order)
    return Decoded(np.ascontiguousarray(pixels).data.cast("B"))


@contextmanager
def _opened(data: bytes) -> Iterator[Any]:
    """A file in LibRaw, whose errors get a text for people."""
    rawpy = import_module("rawpy")
    raw = rawpy.RawPy()
    try:
        raw.open_buffer(io.BytesIO(data))
        yield raw
    except rawpy.LibRawError as error:
        raise ValueError(REASONS.get(type(error).__name__, _text(error))) from error
    finally:
        raw.close()


def _text(error: Exception) -> str:
    reason = error.args[0] if error.args else ""
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)


def _size(raw: Any) -> tuple[int, int]:
    """The size of the developed picture, upright and of square pixels."""
    sizes = raw.sizes
    width, height, aspect = sizes.iwidth, sizes.iheight, sizes.pixel_aspect
    if aspect < 1:
        height = int(height / aspect + 0.5)
    elif aspect > 1:
        width = int(width * aspect + 0.5)
    return (height, width) if sizes.flip & SIDEWAYS else (width, height)


def _developed(raw: Any, order: Order) -> NDArray[Any]:
    """(H, W, 3): the picture at 1/scale, by LibRaw's quick way at half size where that will do."""
    scale, is_deep = order["scale"], order["mode"] == "RGB;16"
    is_half = scale > 1 and raw.sizes.pixel_aspect == 1
    pixels = raw.postprocess(use_camera_wb=True, gamma=SRGB_CURVE, output_bps=16 if is_deep else 8, half_size=is_half)
    left = scale // 2 if is_half else scale
    if left > 1:
        # Only pictures of 8 bits are made smaller by whole pixels here.
        pixels = np.asarray(Image.fromarray(_of_three(pixels)).reduce(left)) if not is_deep else _mean(pixels, left)
    pixels = _of_three(pixels)
    if pixels.shape[1::-1] != tuple(order["size"]):
        raise ValueError("its sensor lies diagonally, and such pictures are not developed")
    return pixels


def _check_sensor(raw: Any, file_bytes: int) -> None:
    """Raise ValueError where pixels are missing of which LibRaw does not say so.

    It leaves the last rows 0, and no sensor is so black.  Some decoders fill a whole picture from a few bytes.
    """
    if 8 * file_bytes < LEAST_BITS * raw.sizes.raw_width * raw.sizes.raw_height:
        raise ValueError("it is cut off: it has too few bytes for its pixels")
    sensor = raw.raw_image_visible
    if sensor is not None and not sensor[-max(1, len(sensor) // LAST_ROWS) :].any():
        raise ValueError("it is cut off: the last rows of its sensor are missing")


def _of_three(pixels: NDArray[Any]) -> NDArray[Any]:
    """(H, W, 3): a picture of one channel gets three that are alike."""
    pixels = np.atleast_3d(pixels)
    return pixels if pixels.shape[2] == CHANNELS else np.repeat(pixels[..., :1], CHANNELS, axis=2)


def _mean(pixels: NDArray[Any], by: int) -> NDArray[Any]:
    """The pixels with `by` × `by` of them made one; at the right and below, fewer."""
    pixels = np.atleast_3d(pixels)
    height, width, channels = pixels.shape
    padded = np.pad(pixels, ((0, -height % by), (0, -width % by), (0, 0)), "edge")
    blocks = padded.reshape(padded.shape[0] // by, by, padded.shape[1] // by, by, channels)
    return np.asarray(np.rint(blocks.mean((1, 3), dtype=np.float32)), pixels.dtype)


# ---- the preview --------------------------------------------------------------------------------------


def _preview(raw: Any, size: tuple[int, int]) -> NDArray[np.uint8] | None:
    """(H, W, 3): the camera's preview at that size, upright; None where it is missing, smaller, or shows another part.

    A camera stores it as the sensor lies, or upright already.
    """
    try:
        image = _stored_preview(raw, size)
    # Whatever is wrong with it, the picture can be developed.
    except Exception:  # noqa: BLE001
        return None
    if image is None:
        return None
    flip = raw.sizes.flip
    stored = size[::-1] if flip & SIDEWAYS else size
    is_upright = not _is_alike(image.size, stored)
    if is_upright and not _is_alike(image.size, size):
        return None
    target = size if is_upright else stored
    if image.width < target[0] or image.height < target[1]:
        return None
    image = image.resize(target, Image.Resampling.LANCZOS, reducing_gap=GAP)
    return np.asarray(image if is_upright else _turned(image, flip))


def _stored_preview(raw: Any, size: tuple[int, int]) -> Image.Image | None:
    """The preview as it is stored; None for one of other colours than sRGB."""
    stored = raw.extract_thumb()
    if not isinstance(stored.data, bytes):
        return Image.fromarray(np.ascontiguousarray(stored.data)).convert("RGB")
    return _opened_jpeg(stored.data, size)


def _opened_jpeg(data: bytes, size: tuple[int, int]) -> Image.Image | None:
    """The picture at a scale that still has that size, lying or upright; None for one of other colours than sRGB."""
    image = Image.open(io.BytesIO(data), formats=["JPEG"])
    interoperability = image.getexif().get_ifd(ExifTags.IFD.Interop)
    if image.mode != "RGB" or "icc_profile" in image.info or interoperability.get(1) == ADOBE_RGB:
        return None
    longest, shortest = max(size), min(size)
    image.draft("RGB", (longest, shortest) if image.width >= image.height else (shortest, longest))
    image.load()
    return image


def _is_alike(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Both have nearly the same ratio of their sides."""
    return abs(size[0] * other[1] / (size[1] * other[0]) - 1) < ALIKE


def _turned(image: Image.Image, flip: int) -> Image.Image:
    if flip in TURNS:
        return image.rotate(TURNS[flip], expand=True)
    return image
