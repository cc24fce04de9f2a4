"""PNGs of 16 bits a sample, which Pillow reads as their high bytes, or compares wrongly with a transparent colour."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import deflate
from PIL import Image, PngImagePlugin

from imgsrv.imaging.formats.png_parts.opening import CHECKSUM_BYTES, SIGNATURE
from imgsrv.imaging.lazy import np
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.pixels.sixteen_bit import GREY, MOST, DeepFrame, to_8_bits
from imgsrv.imaging.pixels.strips import bands

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLOUR_TYPES = {"I;16B": 0, "LA;16B": 4, "RGB;16B": 2, "RGBA;16B": 6}
"""Colour types by Pillow's names of the samples in the file."""

CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
"""By the colour type."""


def is_sixteen(image: PngImagePlugin.PngImageFile) -> bool:
    """Whether an opened PNG has 16 bits a sample."""
    return len(image.tile) == 1 and _raw_mode(image) in COLOUR_TYPES


def read_sixteen(image: PngImagePlugin.PngImageFile, data: Iterable[bytes], is_deep: bool) -> Frame | None:  # noqa: FBT001
    """The pixels of an opened PNG of 16 bits, all of them or rounded to 8 bits; None where Pillow keeps them too.

    data: of the chunks with pixels.  Raises ValueError for broken ones.
    """
    transparent = image.info.get("transparency")
    if image.mode == GREY and transparent is None:
        for _part in data:
            pass
        return None if is_deep else _narrowed(np.asarray(image))
    pixels = _samples(image, data)
    if transparent is not None:
        pixels = _with_alpha(pixels, transparent)
    elif pixels.shape[2] == 2:  # noqa: PLR2004  grey and alpha
        pixels = np.take(pixels, (0, 0, 0, 1), axis=2)
    return DeepFrame(pixels) if is_deep else _narrowed(pixels)


def _raw_mode(image: PngImagePlugin.PngImageFile) -> str:
    raw_mode: Any = image.tile[0].args
    return str(raw_mode)


def _samples(image: PngImagePlugin.PngImageFile, data: Iterable[bytes]) -> NDArray[np.uint16]:
    """(H, W, channels) as the file has them: libpng gets no chunk that would change them."""
    # It belongs to one kind of file only, and takes a while to load.
    import imagecodecs  # noqa: PLC0415

    channels = CHANNELS[COLOUR_TYPES[_raw_mode(image)]]
    pixels = np.empty((image.height, image.width, channels)[: 2 + (channels > 1)], np.uint16)
    try:
        imagecodecs.png_decode(_bare(image, data), out=pixels)
    except imagecodecs.PngError as error:
        # imagecodecs keeps the array of a broken file for ever (findings/imagecodecs-keeps-broken-pngs.sh).
        pixels.resize(0, refcheck=False)
        raise ValueError(f"its pixels are broken: {error}") from error
    return pixels.reshape(image.height, image.width, channels)


def _bare(image: PngImagePlugin.PngImageFile, data: Iterable[bytes]) -> bytearray:
    """A PNG of the header and the pixels alone."""
    is_interlaced = bool(image.info.get("interlace"))
    header = b"".join(side.to_bytes(4, "big") for side in image.size) + bytes(
        (16, COLOUR_TYPES[_raw_mode(image)], 0, 0, is_interlaced)
    )
    file = bytearray(SIGNATURE)
    for kind, parts in ((b"IHDR", (header,)), (b"IDAT", data), (b"IEND", ())):
        at = len(file)
        file += bytes(4) + kind
        for part in parts:
            file += part
        file[at : at + 4] = (len(file) - at - 8).to_bytes(4, "big")
        with memoryview(file) as view:
            checksum = deflate.crc32(view[at + 4 :])
        file += checksum.to_bytes(CHECKSUM_BYTES, "big")
    return file


def _with_alpha(pixels: NDArray[np.uint16], transparent: Any) -> NDArray[np.uint16]:
    """(H, W, 4): the pixels, of which those of exactly the transparent colour are transparent."""
    colour = np.asarray(transparent, np.uint16).reshape(-1)
    result = np.empty((*pixels.shape[:2], 4), np.uint16)
    for rows in bands(*pixels.shape[:2]):
        result[rows, :, :3] = pixels[rows]
        result[rows, :, 3] = np.where((pixels[rows] == colour).all(axis=2), 0, MOST)
    return result


def _narrowed(pixels: NDArray[np.uint16]) -> Frame:
    return Image.fromarray(to_8_bits(pixels))
