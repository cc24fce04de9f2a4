"""Colour grading with a 3D look-up table."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from imgsrv.errors import BadLookUpTable
from imgsrv.imaging.memory.kept import ENTRY_BYTES, Kept
from imgsrv.imaging.model.limits import Data, Limits
from imgsrv.imaging.model.parameter_types import PartName, Unit
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.operations.registry import always, operation
from imgsrv.imaging.pixels.colour_cube import through_cube
from imgsrv.imaging.pixels.strips import beside_alpha

LARGEST_SIDE = 65
"""Steps along one side of the cube; the files that cameras and editors write have 17, 33 or 65."""

MOST_BYTES = 16 << 20
"""Largest file; one with 65 steps and 9 digits has 8 MB."""

MOST_LINES = 2 * LARGEST_SIDE**3
"""Most lines of a file: twice the colours of the largest table, for comments and empty lines."""

LONGEST_LINE = 1024
"""In characters."""

LINES_SEARCHED = 1000
"""Lines in which a broken one is looked for before their number is reported."""

LONGEST_SIZE = 9
"""Digits of LUT_3D_SIZE that are looked at."""

MOST_KEPT, LARGEST_BYTES = 4, 3 * 4 * LARGEST_SIDE**3
"""Parsed tables that a process keeps, each counted as the largest, of 3.3 MB."""

ROW_STARTS = frozenset("+-.0123456789")
"""What a line of three numbers begins with, as a rule."""


@dataclass(frozen=True, slots=True)
class Cube:
    """A 3D look-up table.  values: (side³, 3), colours from 0 to 1; red changes fastest."""

    side: int
    values: NDArray[np.float32]


_kept: Kept[bytes, Cube] = Kept(MOST_KEPT * (LARGEST_BYTES + ENTRY_BYTES), lambda _digest, _cube: LARGEST_BYTES)


def _read_cube(data: Data, _limits: Limits) -> Cube:
    """A table in the .cube format (Adobe Cube LUT Specification 1.0).  Raises BadLookUpTable.

    The last tables are kept by the digest of their bytes: clients send the same few looks with many pictures, and
    parsing 65 steps takes 240 ms and holds the interpreter's lock; a digest takes 9 ms and does not.
    """
    if len(data) > MOST_BYTES:
        raise BadLookUpTable(f"it has {len(data)} bytes and may have {MOST_BYTES}")
    text = bytes(data)
    return _kept.of(hashlib.blake2b(text).digest(), lambda: _parse(text))


def _parse(text: bytes) -> Cube:
    text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    # Counted before a list of them is made: one of 16 million empty lines takes 128 MB.
    if (count := text.count(b"\n")) > MOST_LINES:
        raise BadLookUpTable(f"it has {count} lines and may have {MOST_LINES}")
    lines = text.decode("utf-8", "replace").split("\n")
    if max(map(len, lines)) > LONGEST_LINE:
        raise BadLookUpTable(f"a line has more than {LONGEST_LINE} characters")
    keywords, rows = _split(lines)
    side = _side(keywords)
    if len(rows) != side**3:
        # A line that is broken says more than a wrong number of lines.
        for number, line in islice(rows.items(), LINES_SEARCHED):
            _colour(number, line)
        raise BadLookUpTable(f"a cube of side {side} has {side**3} colours and {len(rows)} follow")
    numbers = _numbers(rows)
    if not np.isfinite(numbers).all():
        raise BadLookUpTable("a colour is not a finite number")
    # In this order, because 1e300 is beyond the numbers of 32 bits.
    values = numbers.clip(0, 1).astype(np.float32)
    # All requests with this table share it.
    values.flags.writeable = False
    return Cube(side, values)


Rows = dict[int, str]
"""Lines that hold colours, by their number."""


def _split(lines: Sequence[str]) -> tuple[dict[str, list[str]], Rows]:
    """The keywords with their values, and the lines that hold colours."""
    keywords: dict[str, list[str]] = {}
    rows: Rows = {}
    for number, line in enumerate(lines, 1):
        if line[:1] in ROW_STARTS:
            rows[number] = line
            continue
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0].isupper():
            keywords[words[0]] = words[1:]
        else:
            _colour(number, line)
            rows[number] = line
    return keywords, rows


def _numbers(rows: Rows) -> NDArray[np.float64]:
    """(colours, 3).  Raises BadLookUpTable for a line that does not hold three numbers."""
    try:
        # In C: 4× faster than Python's float() on each word.
        values = np.loadtxt(list(rows.values()), np.float64, comments=None, ndmin=2)
    except ValueError:
        values = None
    if values is None or values.shape[1] != len("rgb"):
        # Finds the line, or reads what only Python takes for a number.
        values = np.array([_colour(number, line) for number, line in rows.items()])
    return values


def _colour(number: int, line: str) -> tuple[float, float, float]:
    try:
        red, green, blue = map(float, line.split())
    except ValueError as error:
        reason = f"line {number} is {line[:40]!r}, which is neither a keyword nor three numbers"
        raise BadLookUpTable(reason) from error
    return red, green, blue


def _side(keywords: Mapping[str, Sequence[str]]) -> int:
    """Steps along a side.  Raises BadLookUpTable for a table that is no cube over the colours from 0 to 1."""
    if "LUT_1D_SIZE" in keywords:
        raise BadLookUpTable("it is a 1D table; use curves or a 3D one")
    for name, usual in (("DOMAIN_MIN", {"0"}), ("DOMAIN_MAX", {"1"})):
        if {value.rstrip("0").rstrip(".") or "0" for value in keywords.get(name, usual)} != usual:
            raise BadLookUpTable(f"its {name} is {' '.join(keywords[name])[:40]}; export it for colours from 0 to 1")
    text = " ".join(keywords.get("LUT_3D_SIZE", ["missing"]))
    # Python's int() refuses thousands of digits with an error of its own.
    is_number = text.isdecimal() and len(text) <= LONGEST_SIZE
    if not is_number or not 2 <= int(text) <= LARGEST_SIDE:  # noqa: PLR2004  a cube has two ends
        raise BadLookUpTable(f"LUT_3D_SIZE is {text[:40]} and must be from 2 to {LARGEST_SIDE}")
    return int(text)


@operation(part=_read_cube, keeps_depth=always)
def lut(
    frame: Frame,
    cube: Cube,
    *,
    part: PartName = "lut",
    strength: Annotated[Unit, Field(description="0 keeps the colours, 1 applies the table in full.")] = 1.0,
) -> Frame:
    """Apply a 3D look-up table to the colours: a .cube file, sent as the part `lut` of the upload.

    Colours between the steps of the table are interpolated trilinearly.  Alpha is kept unchanged.
    """
    identity = _identity(cube.side)
    table = identity + strength * (cube.values - identity)
    return beside_alpha(frame, lambda colours: through_cube(colours, cube.side, table))


def _identity(side: int) -> NDArray[np.float32]:
    """(side³, 3): the table that keeps every colour."""
    steps = np.linspace(0, 1, side, dtype=np.float32)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    return np.stack([red, green, blue], axis=-1).reshape(-1, 3)
