"""Colour grading by a look-up table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFilter
from pydantic import Field

from imgsrv.errors import BadLookUpTable
from imgsrv.imaging.model.limits import Data, Limits
from imgsrv.imaging.model.parameter_types import PartName, Unit
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.operations.registry import operation
from imgsrv.imaging.pixels.strips import beside_alpha

LARGEST_SIDE = 65
"""Steps along one side of the cube; the files that cameras and editors write have 17, 33 or 65."""

MOST_BYTES = 16 << 20
"""Of a file; one with 65 steps and 9 digits has 8 MB."""


@dataclass(frozen=True, slots=True)
class Cube:
    """A 3D look-up table.  values: side³ × 3 colours from 0 to 1, red changing fastest."""

    side: int
    values: NDArray[np.float32]


def _read_cube(data: Data, _limits: Limits) -> Cube:
    """A table in the .cube format (Adobe Cube LUT Specification 1.0).  Raises BadLookUpTable."""
    if len(data) > MOST_BYTES:
        raise BadLookUpTable(f"it has {len(data)} bytes and may have {MOST_BYTES}")
    keywords: dict[str, list[str]] = {}
    rows: list[tuple[float, ...]] = []
    for number, line in enumerate(bytes(data).decode("utf-8", "replace").splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0].isupper():
            keywords[words[0]] = words[1:]
            continue
        try:
            red, green, blue = map(float, words)
        except ValueError as error:
            reason = f"line {number} is {line[:40]!r}, which is neither a keyword nor three numbers"
            raise BadLookUpTable(reason) from error
        rows.append((red, green, blue))
    side = _side(keywords)
    if len(rows) != side**3:
        raise BadLookUpTable(f"a cube of side {side} has {side**3} colours and {len(rows)} follow")
    values = np.array(rows, np.float32)
    if not np.isfinite(values).all():
        raise BadLookUpTable("a colour is not a finite number")
    return Cube(side, values.clip(0, 1))


def _side(keywords: Mapping[str, Sequence[str]]) -> int:
    """Steps along a side, of a table that is a cube over the colours from 0 to 1."""
    if "LUT_1D_SIZE" in keywords:
        raise BadLookUpTable("it is a 1D table; use curves or a 3D one")
    for name, usual in (("DOMAIN_MIN", {"0"}), ("DOMAIN_MAX", {"1"})):
        if {value.rstrip("0").rstrip(".") or "0" for value in keywords.get(name, usual)} != usual:
            raise BadLookUpTable(f"its {name} is {' '.join(keywords[name])}; export it for colours from 0 to 1")
    text = " ".join(keywords.get("LUT_3D_SIZE", ["missing"]))
    if not text.isdecimal() or not 2 <= int(text) <= LARGEST_SIDE:  # noqa: PLR2004  a cube has two ends
        raise BadLookUpTable(f"LUT_3D_SIZE is {text} and must be from 2 to {LARGEST_SIDE}")
    return int(text)


@operation(part=_read_cube)
def lut(
    frame: Frame,
    cube: Cube,
    *,
    part: PartName = "lut",
    strength: Annotated[Unit, Field(description="1 is the table, 0 changes nothing.")] = 1.0,
) -> Frame:
    """Change colours as a 3D look-up table says: a .cube file, sent as the part `lut` of the upload.

    Between the steps of the table colours are interpolated trilinearly.  Alpha is kept.
    """
    identity = _identity(cube.side)
    table = identity + strength * (cube.values - identity)
    chosen = ImageFilter.Color3DLUT(cube.side, table.reshape(-1))
    return beside_alpha(
        frame, lambda colours: (colours if colours.mode == "RGB" else colours.convert("RGB")).filter(chosen)
    )


def _identity(side: int) -> NDArray[np.float32]:
    """The table that changes nothing."""
    steps = np.linspace(0, 1, side, dtype=np.float32)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    return np.stack([red, green, blue], axis=-1).reshape(-1, 3)
