"""The colour of light of a given temperature."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NEUTRAL_KELVIN = 6500

# IEC 61966-2-1
RGB_FROM_XYZ = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])


def illuminant(kelvin: float) -> NDArray[np.float64]:
    """(3,): linear sRGB of a black body of luminance 1; negative channels, outside sRGB, become 0.

    kelvin: 1000 to 15000.
    Source: Krystek, An algorithm to calculate correlated colour temperature, Color Res. Appl. 10 (1985), 38-40.
    """
    t = kelvin
    u = (0.860117757 + 1.54118254e-4 * t + 1.28641212e-7 * t * t) / (1 + 8.42420235e-4 * t + 7.08145163e-7 * t * t)
    v = (0.317398726 + 4.22806245e-5 * t + 4.20481691e-8 * t * t) / (1 - 2.89741816e-5 * t + 1.61456053e-7 * t * t)
    x, y = 3 * u / (2 * u - 8 * v + 4), 2 * v / (2 * u - 8 * v + 4)
    return (RGB_FROM_XYZ @ [x / y, 1, (1 - x - y) / y]).clip(0)
