"""The colours of an opened picture, by one rule for all formats.

An ICC profile counts first, then code points of H.273, then gamma and chromaticities as a PNG has them, else sRGB.
This is the order of PNG (third edition, 13.13), HEIF and browsers, except that a PNG's code points come before its
profile there; `formats/png.py` removes a profile that does not count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from imgsrv.imaging.colour.cicp import BT_709, cicp_profile, profile_of
from imgsrv.imaging.colour.icc import GREYS, MAX_PROFILE_BYTES, is_usable
from imgsrv.imaging.colour.matrix_profile import SRGB_CURVE, Primaries, power
from imgsrv.imaging.model.cicp import Cicp

SRGB_GAMMA, LEAST_GAMMA, MOST_GAMMA = 0.45455, 0.1, 10.0
"""The gamma that files in sRGB name, and the range of those that are believed."""

SAME_GAMMA, SAME_POINT = 0.0005, 0.002
"""Differences of gamma and of chromaticity that do not count: writers round."""

NUMBERS = 8
"""Length of `chromaticity`: x and y of white, red, green and blue."""


@dataclass(frozen=True, slots=True)
class Colours:
    """The colours that the levels of a picture mean.

    profile: an ICC profile; None is sRGB, or CMYK without a profile.  hdr: the code points of a picture of high dynamic
    range, which has no profile here.
    """

    profile: bytes | None = None
    hdr: Cicp | None = None


def colours_of(info: Mapping[Any, Any], mode: str) -> Colours:
    """The colours of the pixels of that mode, from `info` of the opened image.

    `info` may have `icc_profile`, `cicp` (a Cicp), `gamma` and `chromaticity` (as Pillow reads a PNG).  What is no
    account of colours, or is one for pixels of another kind, is ignored, as browsers do.
    """
    is_grey = mode in GREYS
    profile, cicp = info.get("icc_profile"), info.get("cicp")
    if profile and len(profile) <= MAX_PROFILE_BYTES and is_usable(profile, _transformed_mode(mode)):
        return Colours(profile)
    if mode in ("CMYK", "LAB"):
        return Colours()
    if isinstance(cicp, Cicp):
        return Colours(hdr=cicp) if cicp.is_hdr else Colours(cicp_profile(cicp, is_grey=is_grey))
    return Colours(_measured_profile(info.get("gamma"), info.get("chromaticity"), is_grey=is_grey))


def _transformed_mode(mode: str) -> str:
    """The mode whose transform is applied to pixels of that mode."""
    if mode in ("CMYK", "LAB"):
        return mode
    return "L" if mode in GREYS else "RGB"


def _measured_profile(gamma: Any, chromaticity: Any, *, is_grey: bool) -> bytes | None:
    """The profile of a gamma and of chromaticities; None for sRGB.

    Chromaticities without a gamma do not count, as in browsers.  The pair that the PNG specification gives for sRGB is
    taken for sRGB and not for a pure power: it is what writers add to pictures in sRGB.
    """
    if not isinstance(gamma, float) or not LEAST_GAMMA <= gamma <= MOST_GAMMA:
        return None
    primaries = _primaries(chromaticity)
    is_standard = abs(gamma - SRGB_GAMMA) < SAME_GAMMA
    curve = SRGB_CURVE if is_standard and primaries == BT_709 else power(1 / gamma)
    try:
        return profile_of(primaries, curve, is_grey=is_grey)
    except (ValueError, ArithmeticError, np.linalg.LinAlgError):
        return None


def _primaries(chromaticity: Any) -> Primaries:
    if (
        not isinstance(chromaticity, tuple)
        or len(chromaticity) != NUMBERS
        or not all(0 <= x <= 1 for x in chromaticity)
    ):
        return BT_709
    white, red, green, blue = zip(chromaticity[::2], chromaticity[1::2], strict=True)
    found = Primaries(red, green, blue, white)
    same = (BT_709.white, BT_709.red, BT_709.green, BT_709.blue)
    difference = np.abs(np.array((white, red, green, blue)) - np.array(same)).max()
    return BT_709 if difference < SAME_POINT else found
