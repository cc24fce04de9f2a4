"""Netpbm: PBM, PGM, PPM, PAM and PFM.

Sources: the manual pages pbm(5), pgm(5), ppm(5) and pam(5) of Netpbm, and pfm(5) for floats.  PFM is read as Netpbm and
ImageMagick read it: 0 to 1 are black to white, without a curve.
"""

from __future__ import annotations

import math
import re
from typing import IO

from imgsrv.imaging.formats.read_only.raster import Raster, RasterFile, check_size, raster_format

NAME = "pnm"

HEADER_BYTES = 1 << 16
"""Bytes in which a header has to end; comments may be long."""

TOKEN = re.compile(rb"(?:\s|#[^\r\n]*+[\r\n])*+([0-9A-Za-z_.+-]{1,64})")
"""A word of a header behind white space and comments."""

KINDS = {b"P1": 1, b"P2": 1, b"P3": 3, b"P4": 1, b"P5": 1, b"P6": 3, b"Pf": 1, b"PF": 3}
"""Channels by the first two bytes."""

BITMAPS, FLOATS, PAM = (b"P1", b"P4"), (b"Pf", b"PF"), b"P7"

MOST_LEVEL = 65_535

MOST_WORDS = 64
"""Most words of a PAM header; a good one has a dozen."""

MODES = {1: ("L", "I;16"), 2: ("LA", ""), 3: ("RGB", "RGB;16"), 4: ("RGBA", "RGBA;16")}
"""Modes of 8 and 16 bits by the number of channels.  Grey with alpha becomes RGBA in 16 bits."""

BITS_8 = 255


class PnmFile(RasterFile):
    """A picture of Netpbm in Pillow."""

    format = "PNM"
    format_description = "Netpbm"
    task = NAME
    bytes_per_pixel = 34

    @staticmethod
    def read_header(file: IO[bytes]) -> Raster:
        """The header.  Raises SyntaxError."""
        data = file.read(HEADER_BYTES)
        kind = data[:2]
        if kind == PAM:
            return _pam(data)
        words, at = _words(data, 2 if kind in BITMAPS else 3)
        size = check_size(_number(words[0]), _number(words[1]))
        order = {"kind": kind.decode(), "start": at, "channels": KINDS[kind]}
        mode, deep = MODES[KINDS[kind]]
        if kind in BITMAPS:
            return Raster(size, mode, bits=1, order={**order, "most": 1})
        if kind in FLOATS:
            return Raster(size, mode, deep, 32, {**order, "is_little": _scale(words[2]) < 0})
        return _of_levels(size, _number(words[2]), mode, deep, order)


def _of_levels(size: tuple[int, int], most: int, mode: str, deep: str, order: dict[str, object]) -> Raster:
    if not 1 <= most <= MOST_LEVEL:
        raise SyntaxError(f"its largest level is {most} and has to be 1 to {MOST_LEVEL:,}")
    is_deep = most > BITS_8
    return Raster(size, mode, deep if is_deep else "", most.bit_length(), {**order, "most": most})


def _words(data: bytes, count: int) -> tuple[list[bytes], int]:
    """The words behind the first two bytes, and where the pixels begin: behind one white space."""
    words, at = [], 2
    for _ in range(count):
        found = TOKEN.match(data, at)
        if found is None or found.end() == len(data):
            raise SyntaxError("its header is cut off or no header of Netpbm")
        words.append(found[1])
        at = found.end()
    return words, at + 1


def _pam(data: bytes) -> Raster:
    fields: dict[bytes, bytes] = {}
    at = 2
    for _ in range(MOST_WORDS):
        found = TOKEN.match(data, at)
        if found is None:
            break
        at = found.end()
        if found[1] == b"ENDHDR":
            return _of_fields(fields, data.find(b"\n", at) + 1)
        value = TOKEN.match(data, at)
        if value is None:
            break
        fields[found[1]] = value[1]
        at = value.end()
    raise SyntaxError("its header is cut off or too long")


def _of_fields(fields: dict[bytes, bytes], start: int) -> Raster:
    width, height, depth, most = (_number(fields.get(name, b"")) for name in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL"))
    if depth not in MODES:
        raise SyntaxError(f"it has {depth} channels, and 1 to 4 are read")
    mode, deep = MODES[depth]
    order: dict[str, object] = {"kind": PAM.decode(), "start": start, "channels": depth}
    return _of_levels(check_size(width, height), most, mode, "RGBA;16" if mode == "LA" else deep, order)


def _number(word: bytes) -> int:
    if not word.isdigit() or len(word) > 10:  # noqa: PLR2004  more than any size has
        raise SyntaxError(f"its header has {word[:20]!r} where a number belongs")
    return int(word)


def _scale(word: bytes) -> float:
    try:
        scale = float(word)
    except ValueError:
        scale = math.nan
    if not math.isfinite(scale) or not scale:
        raise SyntaxError(f"its header has {word[:20]!r} where a scale belongs")
    return scale


def _begins(head: bytes) -> bool:
    is_known = head[:2] in KINDS or head[:2] == PAM
    return is_known and (head[2:3].isspace() or head[2:3] == b"#")


FORMAT = raster_format(
    PnmFile,
    _begins,
    name=NAME,
    label="Netpbm",
    pillow="PPM",
    media_type="image/x-portable-anymap",
    suffixes=(".pnm", ".pbm", ".pgm", ".ppm", ".pam", ".pfm"),
    position=13,
    begins=_begins,
)
