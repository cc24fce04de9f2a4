"""The header of a JPEG 2000 file: its boxes, and what they say of the components of its codestream.

Sources: ISO/IEC 15444-1, annex I, and ISO/IEC 15444-2, annex M (further colours).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from imgsrv.errors import Undecodable
from imgsrv.imaging.formats.iso.media import boxes
from imgsrv.imaging.formats.jp2_codestream import SIZE_MARKER, Codestream, read_codestream
from imgsrv.imaging.model.limits import Data

NAME = "jp2"

MOST_COMPONENTS, MOST_BITS = 8, 31
"""Components and bits of a sample that are decoded: OpenJPEG has 32 bits for each sample of all of them."""

MOST_ENTRIES = 1024
"""Entries of a palette."""

BY_NUMBER, BY_PROFILE, BY_ANY_PROFILE = 1, 2, 3
"""Methods of a colour specification."""

COLOURS = {
    3: ("sycc", 3), 11: ("cmy", 3), 12: ("cmyk", 4), 14: ("lab", 3), 15: ("plain", 1), 16: ("plain", 3),
    17: ("plain", 1), 18: ("sycc", 3),
}  # fmt: skip
"""Enumerated colour spaces that are read: YCbCr of BT.601, CMY, CMYK, CIELab, black and white, sRGB, grey, sYCC."""

LAB, LAB_RANGES = 14, struct.Struct(">6I")
"""The number of CIELab, and ranges and offsets of L, a and b that may follow it."""

UNKNOWN = 0
"""Writers give it for unknown colours.  By the standard it is one bit, of which 0 is white; none writes that."""

UNREAD_COLOURS = {
    1: "YCbCr of BT.709", 4: "YCbCr of BT.601 with 625 lines", 9: "PhotoYCC", 13: "YCCK",
    19: "CIEJab", 20: "e-sRGB", 21: "ROMM-RGB", 22: "YPbPr", 23: "YPbPr",
    24: "e-sYCC",
}  # fmt: skip

PROFILE_COLOURS = {b"GRAY": ("plain", 1), b"RGB ": ("plain", 3), b"CMYK": ("cmyk", 4)}
"""By the colour space in the header of a profile."""

PROFILE_BYTES, PROFILE_SPACE_AT = 128, 16
"""The header of a profile, and where it names its colours.  A box that has not even a header says nothing."""

OPACITY, PREMULTIPLIED_OPACITY = 1, 2
"""Types of a channel that are alpha; 0 is a colour."""

WHOLE_PICTURE, SEVERAL = 0, 0xFFFF
"""Associations of a channel, beside the number of a colour from 1."""

XMP_BOX, EXIF_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac"), b"JpgTiffExif->JP2"
"""Kinds of boxes named by 16 bytes: of XMP (ISO 16684-3), and of EXIF as Adobe and ExifTool write it."""

MOST_METADATA = 1 << 20

ADVICE = "convert it to sRGB, or send it as a TIFF or PNG"


Column = tuple[int, tuple[int, ...]]
"""The bits and the values of one column of a palette."""


@dataclass(frozen=True, slots=True)
class Jp2Header:
    """The facts that a file gives about its pixels.

    colours: `plain` for grey and RGB, `sycc`, `cmy`, `cmyk` or `lab`.  lab: of each of its channels, the range, and the
    part of its numbers at which it is 0.  channels: the component of each colour, and then of
    alpha, with the column of the palette or None.  colour_count: how many of them are colours.
    """

    codestream: Codestream
    colours: str
    channels: tuple[tuple[int, int | None], ...]
    colour_count: int
    palette: tuple[Column, ...] = ()
    is_premultiplied: bool = False
    profile: bytes | None = None
    exif: bytes = b""
    xmp: bytes = b""
    lab: tuple[tuple[float, float], ...] = ()

    @property
    def has_alpha(self) -> bool:
        """There is a channel beside the colours."""
        return len(self.channels) > self.colour_count

    @property
    def bits(self) -> int:
        """The most bits of a channel."""
        return max(self._bits(part, column) for part, column in self.channels)

    def bits_of(self, channel: int) -> int:
        """The bits of a channel."""
        return self._bits(*self.channels[channel])

    def _bits(self, part: int, column: int | None) -> int:
        return self.codestream.components[part].bits if column is None else self.palette[column][0]


@dataclass(slots=True)
class _Boxes:
    """The facts in the boxes of a file.  codestream: where it begins."""

    codestream: int | None = None
    colours: tuple[str, int] | None = None
    unread: str = ""
    lab_ranges: tuple[int, ...] = ()
    profile: bytes | None = None
    palette: tuple[Column, ...] = ()
    mapping: tuple[tuple[int, int | None], ...] = ()
    definitions: list[tuple[int, int, int]] = field(default_factory=list)
    exif: bytes = b""
    xmp: bytes = b""


def read_jp2_header(data: Data) -> Jp2Header:
    """The header of a file or of a bare codestream.

    Raises SyntaxError, IndexError or struct.error for one that is broken, and Undecodable with the name of what is not
    read.
    """
    found = _Boxes()
    if bytes(data[:4]) == SIZE_MARKER:
        found.codestream = 0
    else:
        _read_boxes(data, found)
    if found.codestream is None:
        raise SyntaxError("it has no codestream")
    codestream = read_codestream(data, found.codestream)
    if len(codestream.components) > MOST_COMPONENTS:
        reason = f"it has {len(codestream.components):,} components, and at most {MOST_COMPONENTS} are read"
        raise Undecodable(NAME, reason)
    if (bits := max(part.bits for part in codestream.components)) > MOST_BITS:
        raise Undecodable(NAME, f"its samples have {bits} bits, and at most {MOST_BITS} are read")
    return _header(codestream, found)


# ---- boxes ---------------------------------------------------------------------------------------------


def _read_boxes(data: Data, found: _Boxes) -> None:
    for kind, start, end in boxes(data):  # type: ignore[arg-type]  # a memory mapping has what is used of bytes
        if kind == b"jp2h":
            for inner, first, last in boxes(data, start, end):  # type: ignore[arg-type]
                _read_box(inner, bytes(data[first:last]), found)
        elif kind == b"jp2c" and found.codestream is None:
            found.codestream = start
        elif kind == b"uuid":
            _read_metadata(data, start, end, found)


def _read_metadata(data: Data, start: int, end: int, found: _Boxes) -> None:
    """Keep EXIF or XMP of a box of a vendor's kind; the first of each counts."""
    body = bytes(data[start + len(XMP_BOX) : min(end, start + MOST_METADATA)])
    name = bytes(data[start : start + len(XMP_BOX)])
    if name == XMP_BOX:
        found.xmp = found.xmp or body
    elif name == EXIF_BOX:
        found.exif = found.exif or body.removeprefix(b"Exif\0\0")


def _read_box(kind: bytes, body: bytes, found: _Boxes) -> None:
    if kind == b"colr" and found.colours is None:
        _read_colours(body, found)
    elif kind == b"pclr" and not found.palette:
        found.palette = _palette(body)
    elif kind == b"cmap" and not found.mapping:
        entries = struct.iter_unpack(">HBB", body[: len(body) // 4 * 4][: 4 * MOST_COMPONENTS])
        found.mapping = tuple((part, column if kind == 1 else None) for part, kind, column in entries)
    elif kind == b"cdef" and not found.definitions:
        (count,) = struct.unpack_from(">H", body)
        found.definitions = list(struct.iter_unpack(">HHH", body[2 : 2 + 6 * min(count, (len(body) - 2) // 6)]))


def _read_colours(body: bytes, found: _Boxes) -> None:
    """Read a colour specification; of several ones the first that is understood counts."""
    method = body[0]
    if method == BY_NUMBER:
        (number,) = struct.unpack_from(">I", body, 3)
        found.colours = COLOURS.get(number)
        if number == LAB and len(body) >= 7 + LAB_RANGES.size:
            found.lab_ranges = LAB_RANGES.unpack_from(body, 7)
        if number != UNKNOWN:
            found.unread = found.unread or UNREAD_COLOURS.get(number, f"of the number {number}")
    elif method in (BY_PROFILE, BY_ANY_PROFILE) and len(body) >= 3 + PROFILE_BYTES:
        space = body[3 + PROFILE_SPACE_AT : 3 + PROFILE_SPACE_AT + 4]
        found.colours = PROFILE_COLOURS.get(space)
        found.unread = found.unread or "those of a profile that is neither of grey nor of RGB nor of CMYK"
        found.profile = body[3:] if found.colours else None


def _palette(body: bytes) -> tuple[Column, ...]:
    """The columns of a palette.  Raises SyntaxError for one that has none, or too many entries."""
    entries, count = struct.unpack_from(">HB", body)
    if not 0 < entries <= MOST_ENTRIES or not 0 < count <= MOST_COMPONENTS:
        raise SyntaxError("its palette has too many entries or none")
    depths = [((depth & 0x7F) + 1, depth >> 7) for depth in body[3 : 3 + count]]
    widths = [-(-bits // 8) for bits, _is_signed in depths]
    at = 3 + count
    if len(depths) < count or len(body) < at + entries * sum(widths):
        raise SyntaxError("its palette is cut off")
    columns: list[Column] = []
    for index, (bits, is_signed) in enumerate(depths):
        first = at + sum(widths[:index])
        starts = range(first, first + entries * sum(widths), sum(widths))
        values = [int.from_bytes(body[start : start + widths[index]], "big") for start in starts]
        offset = 1 << (bits - 1) if is_signed else 0
        columns.append((bits, tuple((value + offset) & ((1 << bits) - 1) for value in values)))
    return tuple(columns)


# ---- channels ------------------------------------------------------------------------------------------


def _header(codestream: Codestream, found: _Boxes) -> Jp2Header:
    """Say which component or column of the palette each colour is, and which is alpha."""
    channels = _channels(codestream, found)
    order, alpha, is_premultiplied = _defined(found.definitions, len(channels))
    colours = found.colours
    if colours is None and found.unread:
        raise Undecodable(NAME, f"its colours are {found.unread}, which are not read", ADVICE)
    name, count = colours or _guessed(codestream, len(order))
    if len(order) < count:
        raise SyntaxError("it has fewer channels than its colours need")
    if name == "plain" and _is_chroma(codestream, order) and count == len(order) == 3:  # noqa: PLR2004
        # Writers of subsampled colours often say sRGB; opj_decompress takes them for sYCC too.
        name = "sycc"
    spare = order[count:]
    if alpha is None and len(spare) == 1 and not any(which == spare[0] for which, *_ in found.definitions):
        # Without a word on it, one channel more than colours is alpha, as in OpenJPEG's and Pillow's readers.
        alpha = spare[0]
    chosen = [channels[index] for index in (*order[:count], *([] if alpha is None else [alpha]))]
    profile = found.profile if count in (1, 3, 4) else None
    header = Jp2Header(
        codestream, name, tuple(chosen), count, found.palette, is_premultiplied, profile, found.exif, found.xmp
    )
    return replace(header, lab=_lab(header, found.lab_ranges)) if name == "lab" else header


def _lab(header: Jp2Header, ranges: Sequence[int]) -> tuple[tuple[float, float], ...]:
    """Ranges and zeros of L, a and b; those of the specification where none are given (15444-2, M.11.7.4.1)."""
    bits = [header.bits_of(index) for index in range(3)]
    if not ranges:
        ranges = (100, 0, 170, 1 << (bits[1] - 1), 200, (1 << bits[2] >> 2) + (1 << bits[2] >> 3))
    tops = [(1 << each) - 1 for each in bits]
    return tuple((float(ranges[2 * at]), ranges[2 * at + 1] / tops[at]) for at in range(3))


def _channels(codestream: Codestream, found: _Boxes) -> tuple[tuple[int, int | None], ...]:
    """The component of each channel, and its column of the palette.  Raises SyntaxError for one that is not there."""
    plain = tuple((index, None) for index in range(len(codestream.components)))
    if not found.palette:
        return plain
    # Without a mapping, the first component is looked up in every column.
    mapping = found.mapping or tuple((0, column) for column in range(len(found.palette)))
    for part, column in mapping:
        if part >= len(plain) or (column is not None and column >= len(found.palette)):
            raise SyntaxError("its palette is for a component that it does not have")
    return mapping


def _defined(definitions: Sequence[tuple[int, int, int]], count: int) -> tuple[list[int], int | None, bool]:
    """The channels of the colours in their order, the one of alpha, and whether that has been multiplied in."""
    order = dict.fromkeys(range(count))
    alpha: int | None = None
    is_premultiplied = False
    colours: dict[int, int] = {}
    for which, kind, belongs in definitions:
        if which >= count:
            continue
        if kind != 0:
            order.pop(which, None)
        if kind in (OPACITY, PREMULTIPLIED_OPACITY) and belongs != SEVERAL and alpha is None:
            alpha, is_premultiplied = which, kind == PREMULTIPLIED_OPACITY
        elif kind == 0 and belongs not in (WHOLE_PICTURE, SEVERAL):
            colours.setdefault(belongs, which)
    named = [colours[number] for number in sorted(colours)]
    return [*named, *(which for which in order if which not in named)], alpha, is_premultiplied


def _guessed(codestream: Codestream, count: int) -> tuple[str, int]:
    """The colours of a codestream that says nothing of them, as opj_decompress takes them."""
    if count < 3:  # noqa: PLR2004  grey, and alpha
        return "plain", 1
    return ("sycc" if count == 3 and _is_chroma(codestream, range(3)) else "plain"), 3  # noqa: PLR2004


def _is_chroma(codestream: Codestream, order: Sequence[int]) -> bool:
    """The second and third of three components have fewer samples than the first."""
    if len(codestream.components) != 3 or tuple(order) != (0, 1, 2):  # noqa: PLR2004
        return False
    first, *others = codestream.components
    return all(part.dx * part.dy > first.dx * first.dy for part in others)
