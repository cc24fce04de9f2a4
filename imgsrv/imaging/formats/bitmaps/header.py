"""The header of a bitmap: its size, its samples, its palette and its colours.

Sources: Microsoft's BITMAPCOREHEADER, BITMAPINFOHEADER, BITMAPV4HEADER and BITMAPV5HEADER (wingdi.h), IBM's
BITMAPINFOHEADER2 (OS/2 2.0 Presentation Manager), and what Chromium and bmpsuite make of the rest.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import IO, Any

from imgsrv.errors import Undecodable
from imgsrv.imaging.model.limits import Size

CORE, INFO, MASKS, ALPHA_MASK, OS2, V4, V5 = 12, 40, 52, 56, 64, 108, 124
"""Lengths of headers: OS/2 1 and early Windows, Windows 3, with masks for three and for four channels, OS/2 2, and
Windows 95 and 98.
"""

LENGTHS = frozenset((CORE, *range(16, OS2 + 1, 4), V4, V5))
"""All lengths.  A header of OS/2 2 may be cut behind any field."""

BITS = frozenset((1, 2, 4, 8, 16, 24, 32))

MOST_PROFILE_BYTES = 4 << 20

CALIBRATED, EMBEDDED = 0, 0x4D424544
"""Kinds of colours: by primaries and gamma, and by a profile in the file.  All others are sRGB or refer to a file."""

WHITE = (0.3127, 0.3290)
"""x and y of D65: a header gives no white, and Windows means that of sRGB."""

INCH = 0.0254
"""In metres, by which a header counts pixels."""

LEAST_GAMMA, MOST_GAMMA = 0.2, 5.0
"""Other exponents are nonsense, such as the 0 of most files."""


class Packing(Enum):
    """How pixels are stored."""

    PLAIN = "plain"
    MASKS = "masks"
    RLE4 = "RLE4"
    RLE8 = "RLE8"
    RLE24 = "RLE24"


PACKINGS = {0: Packing.PLAIN, 1: Packing.RLE8, 2: Packing.RLE4, 3: Packing.MASKS, 6: Packing.MASKS}

OS2_PACKINGS = {**PACKINGS, 4: Packing.RLE24}

FOUR_MASKS = 6
"""The compression with a mask for alpha behind a header that has no room for masks."""

UNREAD = {3: "Huffman coding", 4: "a JPEG inside", 5: "a PNG inside"}
"""Compressions that are known and not read; 3 is one of OS/2 only."""

SAVE_ANEW = "save it as a PNG"
"""Advice for a bitmap that other programs open."""

RUN_BITS = {Packing.RLE4: 4, Packing.RLE8: 8, Packing.RLE24: 24}

LONG, ALPHA_BITS = 32, 0xFF000000
"""Bits of the longest pixel, and its mask of alpha."""

INCH_M = 0.0254
"""Metres of an inch."""

DEFAULT_MASKS = {16: (0x7C00, 0x3E0, 0x1F, 0), 32: (0xFF0000, 0xFF00, 0xFF, 0)}
"""Red, green, blue and alpha of pixels without masks."""


@dataclass(frozen=True, slots=True)
class BitmapHeader:
    """A header.

    size: in pixels.  length: bytes of the header and of masks behind it.  colours, colour_bytes: entries of the palette
    in the file, and the bytes of each.  info: colours and resolution, by the keys of `Image.info`.  profile: offset
    from the header and length of a profile in the file.
    """

    size: Size
    is_top_down: bool
    bits: int
    packing: Packing
    masks: tuple[int, int, int, int]
    length: int
    colours: int
    colour_bytes: int
    info: Mapping[str, Any] = field(default_factory=dict)
    profile: tuple[int, int] | None = None

    @property
    def stride(self) -> int:
        """Bytes of a row, a multiple of 4."""
        return (self.size[0] * self.bits + 31) // 32 * 4

    @property
    def depth(self) -> int:
        """Bits of a channel; of a palette, bits of an index."""
        return max(mask.bit_count() for mask in self.masks) if any(self.masks) else min(self.bits, 8)


def read_header(file: IO[bytes], name: str, *, is_masked: bool = False) -> BitmapHeader:
    """The header at which the file stands.

    name: of the format, for errors.  is_masked: its height counts the picture and the mask of an icon.
    Raises Undecodable.
    """
    start = file.read(4)
    length = int.from_bytes(start, "little")
    if len(start) < 4 or length not in LENGTHS:  # noqa: PLR2004
        raise Undecodable(name, "its header is broken or of a variant that is not read")
    data = start + file.read(length - 4)
    if len(data) < length:
        raise Undecodable(name, "its header is cut off")
    if length == CORE:
        width, height, _planes, bits = struct.unpack_from("<HHHH", data, 4)
        header = BitmapHeader((width, height), False, bits, Packing.PLAIN, _masks(bits), CORE, 0, 3)
    else:
        header = _windows(data, length, file, name)
    if is_masked:
        header = replace(header, size=(header.size[0], header.size[1] // 2))
    return _checked(header, name)


def _windows(data: bytes, length: int, file: IO[bytes], name: str) -> BitmapHeader:
    """Any header but the shortest; one of OS/2 2 has the same fields as far as they are used."""
    width, height, _planes, bits = struct.unpack_from("<iiHH", data, 4)
    # A field that is cut off is 0.
    code, _size, across, down, colours = struct.unpack_from("<IIiiI", data.ljust(V5, b"\0"), 16)
    is_os2 = length not in (INFO, MASKS, ALPHA_MASK, V4, V5)
    packing = (OS2_PACKINGS if is_os2 else PACKINGS).get(code)
    if packing is None or (is_os2 and packing is Packing.MASKS):
        reason = f"{UNREAD[code]} is not read from a bitmap" if code in UNREAD else f"its compression {code} is unknown"
        raise Undecodable(name, reason, SAVE_ANEW)
    masks = _masks(bits)
    if packing is Packing.MASKS:
        count = 4 if length >= ALPHA_MASK or code == FOUR_MASKS else 3
        if length == INFO:
            data += file.read(4 * count)
            length = len(data)
        given = struct.unpack_from(f"<{count}I", data, INFO)
        # A mask cannot reach beyond the pixel.
        red, green, blue, alpha = (mask & ((1 << bits) - 1) for mask in (*given, 0)[:4])
        masks = (red, green, blue, alpha)
    elif length in (V4, V5) and bits == LONG and int.from_bytes(data[52:56], "little") & ALPHA_BITS:
        # Chromium believes in alpha where only its mask tells of it.
        masks = (*masks[:3], ALPHA_BITS)
    has_colours = length in (V4, V5)
    info, profile = (_calibration(data), _profile(data)) if has_colours else ({}, None)
    if across > 0 and down > 0:
        info["dpi"] = across * INCH, down * INCH
    if across > 0 and down > 0:
        info = {**info, "dpi": (across * INCH_M, down * INCH_M)}
    size = width, abs(height)
    return BitmapHeader(size, height < 0, bits, packing, masks, length, colours, 4, info, profile)


def _masks(bits: int) -> tuple[int, int, int, int]:
    return DEFAULT_MASKS.get(bits, (0, 0, 0, 0))


def _checked(header: BitmapHeader, name: str) -> BitmapHeader:
    """The header, if it makes sense."""
    if header.size[0] < 1 or header.size[1] < 1:
        raise Undecodable(name, f"its header says {header.size[0]}×{header.size[1]}")
    if header.bits not in BITS:
        raise Undecodable(name, f"{header.bits} bits a pixel are not read from a bitmap", SAVE_ANEW)
    wanted = RUN_BITS.get(header.packing, header.bits)
    if wanted != header.bits or (header.packing is Packing.MASKS and header.bits not in DEFAULT_MASKS):
        raise Undecodable(name, f"{header.packing.value} and {header.bits} bits a pixel do not fit together")
    return header


def _profile(data: bytes) -> tuple[int, int] | None:
    """The place of a profile in the file; one that is only named by its path is ignored."""
    if len(data) < V5 or int.from_bytes(data[56:60], "little") != EMBEDDED:
        return None
    offset, size = struct.unpack_from("<II", data, 112)
    return (offset, size) if offset >= V5 and 0 < size <= MOST_PROFILE_BYTES else None


def _calibration(data: bytes) -> dict[str, Any]:
    """Gamma and chromaticities of a header of version 4 or 5, by Pillow's keys for PNG.

    Endpoints are taken for chromaticities, as by Chromium.
    """
    if int.from_bytes(data[56:60], "little") != CALIBRATED:
        return {}
    points = [point / (1 << 30) for point in struct.unpack_from("<9I", data, 60)]
    gammas = [gamma / (1 << 16) for gamma in struct.unpack_from("<3I", data, 96)]
    triples = points[:3], points[3:6], points[6:]
    if not all(LEAST_GAMMA <= gamma <= MOST_GAMMA for gamma in gammas) or not all(triple[1] for triple in triples):
        return {}
    chromaticity = [part / sum(triple) for triple in triples for part in triple[:2]]
    # Some writers give the exponent of decoding, as Windows means it, others that of encoding.
    return {"gamma": min(gammas[1], 1 / gammas[1]), "chromaticity": (*WHITE, *chromaticity)}
