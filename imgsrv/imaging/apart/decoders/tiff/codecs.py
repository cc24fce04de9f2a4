"""Decompression of one strip or tile of a TIFF, never into more bytes than the layout says that it has.

Only this module loads imagecodecs; what is not compressed does without it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from imgsrv.imaging.apart.decoders.tiff.layout import Layout
from imgsrv.imaging.apart.decoders.tiff.samples import REVERSED
from imgsrv.imaging.apart.decoders.tiff.tags import (
    CMYK,
    DEFLATE,
    JPEG,
    JPEG_2000,
    LERC,
    LZMA,
    LZW,
    NONE,
    OLD_DEFLATE,
    OLD_WEBP,
    OLD_ZSTD,
    PACKBITS,
    PIXTIFF,
    RGB,
    WEBP,
    YCBCR,
    ZSTD,
)
from imgsrv.imaging.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Shape = tuple[int, int, int]
"""Rows, columns and samples."""

JPEG_COLOURS = {RGB: 2, YCBCR: 3, CMYK: 4}
"""libjpeg's numbers of colour spaces."""

CODESTREAM, PLACE = b"\xff\x4f\xff\x51", struct.Struct(">IIII")
"""The first markers of JPEG 2000, and behind two further fields the right, bottom, left and top of the picture."""

SMALL_TIFF = bytes.fromhex(
    "49492a0008000000 0700 000103000100000001000000 010103000100000001000000 020103000100000008000000"
    "060103000100000001000000 110104000100000000000000 160103000100000001000000 170104000100000001000000 00000000"
)
"""One pixel of grey: the first byte of the file."""


def prepare() -> None:
    """Load every codec, because nothing can be loaded later in a confined process."""
    import imagecodecs  # noqa: PLC0415  most pictures do without it

    tried = np.zeros((8, 8, 3), np.uint8)
    for name in ("lzw", "packbits", "zstd", "lzma", "deflate"):
        packed = getattr(imagecodecs, f"{name}_encode")(tried.tobytes())
        getattr(imagecodecs, f"{name}_decode")(packed, out=tried.nbytes)
    for name in ("jpeg", "webp", "jpeg2k", "jpegxl", "lerc"):
        packed = getattr(imagecodecs, f"{name}_encode")(tried)
        getattr(imagecodecs, f"{name}_decode")(packed, out=np.empty_like(tried))
    imagecodecs.tiff_decode(SMALL_TIFF, 0, asrgb=True)


def by_libtiff(data: bytes, page: int, mode: str) -> NDArray[Any]:
    """The pixels of 8 bits that libtiff makes of a page.  mode: L or RGB."""
    import imagecodecs  # noqa: PLC0415

    found = np.asarray(imagecodecs.tiff_decode(data, page, asrgb=True))
    return np.ascontiguousarray(found[..., 0] if mode == "L" else found[..., :3])


def octets(data: bytes | memoryview, layout: Layout, least: int, most: int) -> Any:
    """The bytes of a strip or tile.  least: that are needed; most: that a whole one has.  Raises ValueError."""
    given = data[:least] if layout.compression == NONE else data
    if layout.fill_order == 2:  # noqa: PLR2004
        given = bytes(given).translate(REVERSED)
    try:
        found = given if layout.compression == NONE else _decompressed(given, layout.compression, most)
    except (ValueError, RuntimeError):  # codecs raise children of RuntimeError
        if not layout.is_lenient:
            raise
        found = b""
    if len(found) < least:
        if layout.is_lenient:
            return bytes(found).ljust(least, b"\0")
        raise ValueError(f"a strip or tile has {len(found):,} of {least:,} bytes: the file is truncated")
    return found


def _decompressed(data: bytes | memoryview, compression: int, most: int) -> Any:
    import imagecodecs  # noqa: PLC0415

    decoders: dict[int, Callable[..., Any]] = {
        LZW: imagecodecs.lzw_decode,
        DEFLATE: imagecodecs.deflate_decode,
        OLD_DEFLATE: imagecodecs.deflate_decode,
        PIXTIFF: imagecodecs.deflate_decode,
        PACKBITS: imagecodecs.packbits_decode,
        ZSTD: imagecodecs.zstd_decode,
        OLD_ZSTD: imagecodecs.zstd_decode,
        LZMA: imagecodecs.lzma_decode,
    }
    try:
        return decoders[compression](data, out=most)
    except RuntimeError:
        if compression in (DEFLATE, OLD_DEFLATE, PIXTIFF):
            # libdeflate gives up where more bytes follow than are wanted.
            return _inflated(data, most)
        if compression == PACKBITS:
            return _unpacked_bits(bytes(data), most)
        raise


def _inflated(data: bytes | memoryview, most: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, most)
    except zlib.error as error:
        raise ValueError(str(error)) from error


def _unpacked_bits(data: bytes, most: int) -> bytes:
    """PackBits (section 9), up to that many bytes, whatever follows them."""
    parts, size, at = [], 0, 0
    while at < len(data) and size < most:
        code = data[at]
        if code < 128:  # noqa: PLR2004
            part = data[at + 1 : at + 2 + code]
            at += 2 + code
        else:
            part = data[at + 1 : at + 2] * (257 - code) if code > 128 else b""  # noqa: PLR2004
            at += 2 if code > 128 else 1  # noqa: PLR2004
        parts.append(part)
        size += len(part)
    return b"".join(parts)[:most]


def picture(data: bytes | memoryview, layout: Layout, shape: Shape, whole: Shape) -> NDArray[Any]:
    """The samples of a strip or tile whose codec is one of pictures.

    shape: that are needed; whole: of a strip or tile that is not cut.  Raises ValueError and what the codec raises.
    """
    kind = np.dtype(f"{'f' if layout.kind == 'float' else 'u'}{_sample_bytes(layout)}")
    reasons = []
    for rows, columns, samples in dict.fromkeys((shape, whole)):
        out = np.zeros((rows, columns, samples) if samples > 1 else (rows, columns), kind)
        try:
            return _picture(bytes(data), layout, out).reshape(rows, columns, samples)
        except MemoryError:
            raise
        # Each codec has an exception of its own for data of another size, or that is broken.
        except Exception as error:  # noqa: BLE001
            reasons.append(str(error))
    raise ValueError(f"a strip or tile cannot be decoded: {reasons[0]}")


def _sample_bytes(layout: Layout) -> int:
    return 1 if layout.bits <= 8 else 2 if layout.bits <= 16 else 4 if layout.bits <= 32 else 8  # noqa: PLR2004


def _picture(data: bytes, layout: Layout, out: NDArray[Any]) -> NDArray[Any]:
    import imagecodecs  # noqa: PLC0415

    compression = layout.compression
    if compression == JPEG:
        found = imagecodecs.jpeg_decode(data, tables=layout.tables or None, out=out, **_jpeg_colours(data, layout))
    elif compression in (WEBP, OLD_WEBP):
        found = imagecodecs.webp_decode(data, hasalpha=out.shape[2:] == (4,), out=out)
    elif compression == LERC:
        found = imagecodecs.lerc_decode(data, out=out)
    elif compression in JPEG_2000:
        _check_codestream(data, out.shape)
        found = imagecodecs.jpeg2k_decode(data, out=out)
    else:
        found = imagecodecs.jpegxl_decode(data, out=out)
    return np.asarray(found)


def _check_codestream(data: bytes, shape: tuple[int, ...]) -> None:
    """Raise ValueError for JPEG 2000 of another size, which OpenJPEG would decode before anybody compares it.

    Whatever looks like the beginning of a codestream counts, because boxes can hide it.
    """
    at = data.find(CODESTREAM)
    while at >= 0:
        right, bottom, left, top = PLACE.unpack(data[at + 8 : at + 8 + PLACE.size].ljust(PLACE.size, b"\0"))
        if (bottom - top, right - left) != shape[:2]:
            raise ValueError(f"its JPEG 2000 has {right - left}×{bottom - top} pixels and not {shape[1]}×{shape[0]}")
        at = data.find(CODESTREAM, at + 1)


def _jpeg_colours(data: bytes, layout: Layout) -> dict[str, Any]:
    """The colour spaces of a JPEG's data and of what is wanted; without them libjpeg guesses."""
    if layout.is_planar or layout.samples != layout.colours or layout.photometric not in JPEG_COLOURS:
        return {}
    if layout.photometric == YCBCR:
        return {"outcolorspace": JPEG_COLOURS[RGB]}
    if layout.photometric == RGB and data[6:10] == b"JFIF":
        return {"outcolorspace": JPEG_COLOURS[RGB]}  # some microscopes write YCbCr and call it RGB
    space = JPEG_COLOURS[layout.photometric]
    return {"colorspace": space, "outcolorspace": space}
