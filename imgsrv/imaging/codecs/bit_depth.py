"""How many bits a channel has in the file, which is not always what the decoder keeps."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

from imgsrv.imaging.model.limits import Data

BITS_PER_SAMPLE = 258
"""A TIFF's tag."""

LOOKED_AT = 65_536
"""Bytes in which the boxes of an AVIF or JPEG 2000 say it."""


def read_depth(name: str, data: Data, image: Image.Image) -> int:
    """Bits of one channel; of a palette's index in a PNG with a palette.  name: the format."""
    found = _DEPTHS[name](bytes(data[:LOOKED_AT]), image) if name in _DEPTHS else 0
    return found or (1 if image.mode == "1" else 8)


def _png(data: bytes, _image: Image.Image) -> int:
    return data[24]


def _tiff(_data: bytes, image: Image.Image) -> int:
    bits = getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE, 1)
    bits = bits[0] if isinstance(bits, tuple) and bits else bits
    return bits if isinstance(bits, int) else 0


def _avif(data: bytes, _image: Image.Image) -> int:
    box = data.find(b"av1C")
    if not 0 <= box < len(data) - 7:
        return 0
    flags = data[box + 6]
    is_high, is_twelve = flags & 0x40, flags & 0x20
    return (12 if is_twelve else 10) if is_high else 8


def _jp2(data: bytes, _image: Image.Image) -> int:
    marker = data.find(b"\xff\x4f\xff\x51")
    return (data[marker + 42] & 0x7F) + 1 if 0 <= marker < len(data) - 42 else 0


def _heic(_data: bytes, image: Image.Image) -> int:
    found = image.info.get("bit_depth")
    return found if isinstance(found, int) else 0


def _jxl(_data: bytes, image: Image.Image) -> int:
    return int(image.header.bits) if hasattr(image, "header") else 0


_DEPTHS: dict[str, Callable[[bytes, Image.Image], int]] = {
    "png": _png,
    "tiff": _tiff,
    "avif": _avif,
    "jp2": _jp2,
    "heic": _heic,
    "jxl": _jxl,
}
