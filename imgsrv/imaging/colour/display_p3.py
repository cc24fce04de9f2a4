"""The ICC profile of Display P3, computed from its definition: 532 bytes free of copyright.

It has the primaries of SMPTE EG 432-1, the white D65 and the curve of sRGB (IEC 61966-2-1), as CSS Color 4 §10.4
defines `display-p3`.  The profile has version 4 (ICC.1:2022), a matrix and a parametric curve.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from imgsrv.imaging.pixels import srgb

PRIMARIES = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
"""x and y of red, green and blue."""

D65 = (0.3127, 0.3290)

D50 = np.array([0.9642, 1.0, 0.8249])
"""White of the profile connection space."""

BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])

SRGB_CURVE = (srgb.GAMMA, 1 / (1 + srgb.OFFSET), srgb.OFFSET / (1 + srgb.OFFSET), 1 / srgb.SLOPE, srgb.KNEE_LEVEL)
"""g, a, b, c and d of a parametric curve of type 3: `(a × v + b)^g` from d on, `c × v` below."""

VERSION = 0x04400000

Matrix = NDArray[np.float64]


def make_display_p3() -> bytes:
    """The bytes of the profile."""
    adaptation = _adaptation()
    colorants = adaptation @ _to_xyz()
    curve = b"para" + struct.pack(">4xHxx", 3) + _fixed(*SRGB_CURVE)
    tags = {
        b"desc": _text("Display P3"),
        b"cprt": _text("No copyright, use freely"),
        b"wtpt": _numbers(b"XYZ ", *D50),
        b"chad": _numbers(b"sf32", *adaptation.ravel()),
        b"rXYZ": _numbers(b"XYZ ", *colorants[:, 0]),
        b"gXYZ": _numbers(b"XYZ ", *colorants[:, 1]),
        b"bXYZ": _numbers(b"XYZ ", *colorants[:, 2]),
    }
    body, places = b"", {}
    start = 128 + 4 + 12 * (len(tags) + 3)
    for name, data in {**tags, b"rTRC": curve}.items():
        places[name] = start + len(body), len(data)
        body += data + bytes(-len(data) % 4)
    # All three channels share one curve.
    places |= dict.fromkeys((b"gTRC", b"bTRC"), places[b"rTRC"])
    table = struct.pack(">I", len(places)) + b"".join(struct.pack(">4sII", name, *at) for name, at in places.items())
    head = struct.pack(">I4xI", start + len(body), VERSION) + b"mntrRGB XYZ "
    # The date of creation: 1 January 2024.
    head += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp"
    return head.ljust(68, b"\0") + _fixed(*D50) + bytes(48) + table + body


def _to_xyz() -> Matrix:
    """Linear red, green and blue to XYZ under D65: the columns add up to white."""
    columns = np.array([_xyz(point) for point in PRIMARIES]).T
    scaled: Matrix = columns * np.linalg.solve(columns, _xyz(D65))
    return scaled


def _adaptation() -> Matrix:
    """D65 to D50 by Bradford's method."""
    cones = (BRADFORD @ D50) / (BRADFORD @ _xyz(D65))
    adaptation: Matrix = np.linalg.inv(BRADFORD) @ np.diag(cones) @ BRADFORD
    return adaptation


def _xyz(point: tuple[float, float]) -> Matrix:
    x, y = point
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _fixed(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65_536) for value in values))


def _numbers(kind: bytes, *values: float) -> bytes:
    return kind + bytes(4) + _fixed(*values)


def _text(text: str) -> bytes:
    data = text.encode("utf-16-be")
    return b"mluc" + struct.pack(">4xII4sII", 1, 12, b"enUS", len(data), 28) + data
