"""ICC profiles of version 4 (ICC.1:2022), computed from primaries, white and a curve, and free of copyright."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imgsrv.imaging.pixels import srgb

D50 = np.array([0.9642, 1.0, 0.8249])
"""White of the profile connection space."""

BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])

VERSION = 0x04400000

Matrix = NDArray[np.float64]

Point = tuple[float, float]
"""Chromaticity: x and y of CIE 1931."""


@dataclass(frozen=True, slots=True)
class Primaries:
    """The chromaticities of a space of red, green and blue, and of its white."""

    red: Point
    green: Point
    blue: Point
    white: Point


@dataclass(frozen=True, slots=True)
class Curve:
    """A parametric curve from levels to linear light (ICC.1:2022, 10.18).

    kind: its type.  parameters: g, a, b and so on.
    """

    kind: int
    parameters: tuple[float, ...]


SRGB_CURVE = Curve(
    3, (srgb.GAMMA, 1 / (1 + srgb.OFFSET), srgb.OFFSET / (1 + srgb.OFFSET), 1 / srgb.SLOPE, srgb.KNEE_LEVEL)
)
"""`(a × v + b)^g` from d on, `c × v` below."""


def power(gamma: float) -> Curve:
    """The curve `light = level^gamma`."""
    return Curve(0, (gamma,))


def rgb_profile(name: str, primaries: Primaries, curve: Curve) -> bytes:
    """The bytes of a profile for pixels of red, green and blue.

    Raises numpy.linalg.LinAlgError for primaries on one line, ValueError or ZeroDivisionError for impossible ones.
    """
    colorants = to_d50(primaries)
    tags = {
        b"desc": _text(name),
        b"cprt": _text("No copyright, use freely"),
        b"wtpt": _numbers(b"XYZ ", *D50),
        b"chad": _numbers(b"sf32", *_adaptation(primaries.white).ravel()),
        b"rXYZ": _numbers(b"XYZ ", *colorants[:, 0]),
        b"gXYZ": _numbers(b"XYZ ", *colorants[:, 1]),
        b"bXYZ": _numbers(b"XYZ ", *colorants[:, 2]),
        b"rTRC": _parametric(curve),
    }
    # All three channels share one curve.
    return _profile(b"RGB ", tags, {b"gTRC": b"rTRC", b"bTRC": b"rTRC"})


def grey_profile(name: str, curve: Curve) -> bytes:
    """The bytes of a profile for pixels of grey."""
    tags = {
        b"desc": _text(name),
        b"cprt": _text("No copyright, use freely"),
        b"wtpt": _numbers(b"XYZ ", *D50),
        b"kTRC": _parametric(curve),
    }
    return _profile(b"GRAY", tags, {})


def to_d50(primaries: Primaries) -> Matrix:
    """The 3 × 3 matrix from linear red, green and blue to XYZ under D50.  Raises as `rgb_profile`."""
    matrix: Matrix = _adaptation(primaries.white) @ _to_xyz(primaries)
    return matrix


def _profile(space: bytes, tags: dict[bytes, bytes], shared: dict[bytes, bytes]) -> bytes:
    """The file.  shared: further names of tags that are there."""
    body, places = b"", {}
    start = 128 + 4 + 12 * (len(tags) + len(shared))
    for name, data in tags.items():
        places[name] = start + len(body), len(data)
        body += data + bytes(-len(data) % 4)
    places |= {name: places[same] for name, same in shared.items()}
    table = struct.pack(">I", len(places)) + b"".join(struct.pack(">4sII", name, *at) for name, at in places.items())
    head = struct.pack(">I4xI", start + len(body), VERSION) + b"mntr" + space + b"XYZ "
    # The date of creation: 1 January 2024.
    head += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp"
    return head.ljust(68, b"\0") + _fixed(*D50) + bytes(48) + table + body


def _to_xyz(primaries: Primaries) -> Matrix:
    """Linear red, green and blue to XYZ under the white of the primaries: the columns add up to white."""
    # Not divided by y, which is 0 for two of the primaries of XYZ itself.
    columns = np.array([(x, y, 1 - x - y) for x, y in (primaries.red, primaries.green, primaries.blue)]).T
    scaled: Matrix = columns * np.linalg.solve(columns, _xyz(primaries.white))
    return scaled


def _adaptation(white: Point) -> Matrix:
    """The white to D50 by Bradford's method."""
    cones = (BRADFORD @ D50) / (BRADFORD @ _xyz(white))
    adaptation: Matrix = np.linalg.inv(BRADFORD) @ np.diag(cones) @ BRADFORD
    return adaptation


def _xyz(point: Point) -> Matrix:
    x, y = point
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _parametric(curve: Curve) -> bytes:
    return b"para" + struct.pack(">4xHxx", curve.kind) + _fixed(*curve.parameters)


def _fixed(*values: float) -> bytes:
    try:
        return struct.pack(f">{len(values)}i", *(round(value * 65_536) for value in values))
    except (struct.error, OverflowError) as error:
        raise ValueError("a number of the profile does not fit in 16.16 bits") from error


def _numbers(kind: bytes, *values: float) -> bytes:
    return kind + bytes(4) + _fixed(*values)


def _text(text: str) -> bytes:
    data = text.encode("utf-16-be")
    return b"mluc" + struct.pack(">4xII4sII", 1, 12, b"enUS", len(data), 28) + data
