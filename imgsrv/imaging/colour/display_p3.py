"""The ICC profile of Display P3: the primaries of SMPTE EG 432-1, the white D65 and the curve of sRGB.

CSS Color 4, §10.4 defines `display-p3` so.
"""

from __future__ import annotations

from imgsrv.imaging.colour.matrix_profile import SRGB_CURVE, Primaries, rgb_profile

D65 = (0.3127, 0.3290)

P3_D65 = Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65)


def make_display_p3() -> bytes:
    """The bytes of the profile."""
    return rgb_profile("Display P3", P3_D65, SRGB_CURVE)
