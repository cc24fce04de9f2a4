"""Photoshop documents (PSD and PSB): the merged picture, which Photoshop keeps beside the layers.

Source: Adobe Photoshop File Formats Specification (2019).  The merged picture is drawn on white, and its transparency
is the first further channel if the number of layers is negative or a block says so.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO, Any

from imgsrv.imaging.formats.read_only.raster import Raster, RasterFile, check_size, exactly, raster_format

NAME = "psd"

SIGNATURE = b"8BPS"

HEADER = struct.Struct(">4sH6xHIIHH")

PSD, PSB = 1, 2

BITMAP, GREY, INDEXED, RGB, CMYK, DUOTONE, LAB = 0, 1, 2, 3, 4, 8, 9

COLOURS = {BITMAP: 1, GREY: 1, INDEXED: 1, RGB: 3, CMYK: 4, DUOTONE: 1, LAB: 3}
"""Channels of colour by the mode of the document."""

DEPTHS = {BITMAP: (1,), INDEXED: (8,)}
"""Bits of a channel; those of the other modes are 8 and 16."""

KIND_NAMES = {7: "of several channels that are no colours"}

PALETTE_BYTES = 768

KEPT_AS = {1039: "icc_profile", 1058: "exif", 1060: "xmp"}
"""Image resources that are kept, by their numbers."""

TRANSPARENT_INDEX, VERSION_INFO = 1047, 1057
"""Resources: the index of the transparent colour; facts of which the fifth byte is 0 without a merged picture."""

MOST_RESOURCES, MOST_BLOCKS = 4000, 4000
"""More resources, and more blocks behind the layers, are not looked at."""

MOST_KEPT = 16 << 20
"""Bytes of a resource that is kept."""

LARGE_BLOCKS = (b"LMsk", b"Lr16", b"Lr32", b"Layr", b"Mt16", b"Mt32", b"Mtrn", b"Alph", b"FMsk", b"lnk2", b"FEid",
                b"FXid", b"PxSD")  # fmt: skip
"""Blocks of a PSB whose length has eight bytes."""

MERGED_TRANSPARENCY, DEEP_LAYERS = (b"Mtrn", b"Mt16", b"Mt32"), (b"Lr16", b"Lr32", b"Layr")
"""Blocks that say that the merged picture is transparent, and those with layers of more than 8 bits."""

BLOCK_SIGNATURES = (b"8BIM", b"8B64")


class PsdFile(RasterFile):
    """The merged picture of a Photoshop document in Pillow."""

    format = "PHOTOSHOP"
    format_description = "Photoshop document"
    task = NAME
    bytes_per_pixel = 32

    @staticmethod
    def read_header(file: IO[bytes]) -> Raster:
        """The header.  Raises SyntaxError."""
        signature, version, channels, height, width, bits, kind = HEADER.unpack(exactly(file, HEADER.size))
        if signature != SIGNATURE or version not in (PSD, PSB):
            raise SyntaxError(f"it is a document of version {version}, which is not read")
        _check(kind, bits, channels)
        palette = _section(file, 4, PALETTE_BYTES) if kind == INDEXED else _section(file, 4, 0)
        info, transparent = _resources(file)
        has_alpha = channels > COLOURS[kind] and kind in (GREY, DUOTONE, RGB, LAB)
        has_alpha = _pass_layers(file, is_large=version == PSB) and has_alpha
        mode = _mode(kind, has_alpha=has_alpha or (kind == INDEXED and transparent is not None))
        deep = {"L": "I;16", "LA": "RGBA;16", "CMYK": ""}.get(mode, f"{mode};16") if bits == 16 else ""  # noqa: PLR2004
        order = {
            "start": file.tell(),
            "kind": kind,
            "bits": bits,
            "channels": channels,
            "colours": COLOURS[kind],
            "has_alpha": has_alpha,
            "palette": palette,
            "transparent": transparent,
            "is_large": version == PSB,
        }
        return Raster(check_size(width, height), mode, deep, bits, order, info)


def _check(kind: int, bits: int, channels: int) -> None:
    """Raise SyntaxError for a document whose merged picture is not read."""
    if kind not in COLOURS:
        raise SyntaxError(f"it is {KIND_NAMES.get(kind, f'of the colour mode {kind}')}, which is not read")
    if bits not in DEPTHS.get(kind, (8, 16)):
        raise SyntaxError(f"it has {bits} bits a channel, which is not read in this colour mode")
    if channels < COLOURS[kind]:
        raise SyntaxError("it has fewer channels than its colours need")


def _mode(kind: int, *, has_alpha: bool) -> str:
    if kind == CMYK:
        return "CMYK"
    if kind in (BITMAP, GREY, DUOTONE):
        return "LA" if has_alpha else "L"
    return "RGBA" if has_alpha else "RGB"


def _length(file: IO[bytes], size: int) -> int:
    return int.from_bytes(exactly(file, size), "big")


def _section(file: IO[bytes], size: int, kept: int) -> bytes:
    """The first bytes of a section whose length stands before it in `size` bytes; the file stands behind it."""
    length = _length(file, size)
    end = file.tell() + length
    if kept > length:
        raise SyntaxError("it has no palette")
    data = exactly(file, kept)
    file.seek(end)
    return data


def _resources(file: IO[bytes]) -> tuple[dict[str, Any], int | None]:
    """The image resources that are kept, and the index of a transparent colour; the file then stands behind them."""
    length = _length(file, 4)
    end = file.tell() + length
    info: dict[str, Any] = {}
    transparent = None
    for number, at, size in _each_resource(file, end):
        file.seek(at)
        if number in KEPT_AS and 0 < size <= MOST_KEPT:
            info[KEPT_AS[number]] = exactly(file, size)
        elif number == TRANSPARENT_INDEX:
            index = _length(file, 2)
            transparent = index if index < PALETTE_BYTES // 3 else None
        elif number == VERSION_INFO and not exactly(file, 5)[4]:
            raise SyntaxError("it was saved without a merged picture, and layers are not read")
    file.seek(end)
    return info, transparent


def _each_resource(file: IO[bytes], end: int) -> Iterator[tuple[int, int, int]]:
    """The number, the place and the size of each resource."""
    at = file.tell()
    for _ in range(MOST_RESOURCES):
        if at + 12 > end:
            return
        file.seek(at)
        signature, number, name_bytes = struct.unpack(">4sHB", exactly(file, 7))
        if signature != b"8BIM":
            return
        at += 6 + (1 + name_bytes + 1 & ~1)
        file.seek(at)
        size = _length(file, 4)
        yield number, at + 4, size
        at += 4 + (size + 1 & ~1)


def _pass_layers(file: IO[bytes], *, is_large: bool) -> bool:
    """Whether the merged picture is transparent where it is empty; the file then stands behind the layers."""
    wide = 8 if is_large else 4
    length = _length(file, wide)
    start = file.tell()
    end, is_transparent = start + length, False
    if length:
        info = _length(file, wide)
        if info:
            is_transparent = int.from_bytes(exactly(file, 2), "big", signed=True) < 0
        file.seek(start + wide + info)
        if not is_transparent and file.tell() + 4 <= end:
            mask = _length(file, 4)
            is_transparent = _has_block(file, file.tell() + mask, end, is_large=is_large)
    file.seek(end)
    return is_transparent


def _has_block(file: IO[bytes], at: int, end: int, *, is_large: bool) -> bool:
    """Whether a block behind the layers says that the merged picture is transparent."""
    for _ in range(MOST_BLOCKS):
        if at + 12 > end:
            return False
        file.seek(at)
        signature, key = struct.unpack(">4s4s", exactly(file, 8))
        if signature not in BLOCK_SIGNATURES:
            return False
        wide = 8 if is_large and key in LARGE_BLOCKS else 4
        size = _length(file, wide)
        if key in MERGED_TRANSPARENCY:
            return True
        if key in DEEP_LAYERS and size and int.from_bytes(exactly(file, 2), "big", signed=True) < 0:
            return True
        at += 8 + wide + (size + 3 & ~3)
    return False


FORMAT = raster_format(
    PsdFile,
    lambda head: head.startswith(SIGNATURE),
    name=NAME,
    label="Photoshop",
    pillow="PSD",
    media_type="image/vnd.adobe.photoshop",
    suffixes=(".psd", ".psb"),
    position=15,
    signatures=(SIGNATURE,),
    is_upright=True,
)
