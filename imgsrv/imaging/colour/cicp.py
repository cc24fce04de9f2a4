"""The meaning of coding-independent code points, as chromaticities, curves and ICC profiles (ITU-T H.273)."""

from __future__ import annotations

from functools import lru_cache

from imgsrv.imaging.colour.display_p3 import D65, P3_D65
from imgsrv.imaging.colour.matrix_profile import SRGB_CURVE, Curve, Primaries, grey_profile, power, rgb_profile
from imgsrv.imaging.model.cicp import Cicp

ILLUMINANT_C, ILLUMINANT_E, DCI_WHITE = (0.310, 0.316), (1 / 3, 1 / 3), (0.314, 0.351)

BT_709 = Primaries((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), D65)
"""Also those of sRGB."""

BT_2020 = Primaries((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65)

BT_601_525 = Primaries((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), D65)

PRIMARIES = {
    1: BT_709,
    4: Primaries((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), ILLUMINANT_C),
    5: Primaries((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), D65),
    6: BT_601_525,
    7: BT_601_525,
    8: Primaries((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), ILLUMINANT_C),
    9: BT_2020,
    10: Primaries((1.0, 0.0), (0.0, 1.0), (0.0, 0.0), ILLUMINANT_E),
    11: Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), DCI_WHITE),
    12: P3_D65,
    22: Primaries((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), D65),
}
"""Table 2 of H.273; other codes are taken for those of sRGB."""

CINEMA = Curve(1, (2.6, (52.37 / 48) ** (1 / 2.6), 0.0))
"""SMPTE ST 428-1: `light = 52.37 / 48 × level^2.6`."""

TRANSFERS = {4: power(2.2), 5: power(2.8), 8: power(1.0), 17: CINEMA}
"""Table 3 of H.273, as far as it differs from sRGB.

The codes of cameras (1, 6, 7, 11, 12, 14 and 15) tell how light was coded; displays do not show it by the inverse.
Browsers show an AVIF with them as sRGB.  So does this server, in all formats.
"""


def space_of(cicp: Cicp) -> Primaries:
    """The primaries and the white."""
    return PRIMARIES.get(cicp.primaries, BT_709)


@lru_cache(maxsize=64)
def profile_of(primaries: Primaries, curve: Curve, *, is_grey: bool) -> bytes | None:
    """The ICC profile of such colours; None if they are those of sRGB.  Raises as `rgb_profile`."""
    if curve == SRGB_CURVE and (is_grey or primaries == BT_709):
        return None
    if is_grey:
        return grey_profile("Grey by code points", curve)
    return rgb_profile("RGB by code points", primaries, curve)


def cicp_profile(cicp: Cicp, *, is_grey: bool) -> bytes | None:
    """The ICC profile of a picture that is not of high dynamic range; None for sRGB."""
    return profile_of(space_of(cicp), TRANSFERS.get(cicp.transfer, SRGB_CURVE), is_grey=is_grey)
