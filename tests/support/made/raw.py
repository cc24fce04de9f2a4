"""Small camera raw files (DNG) of a known light, with and without the preview of a camera."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from pictures import encoded
from PIL import Image

XYZ_TO_SRGB = (3.2404542, -1.5371385, -0.4985314, -0.9692660, 1.8760108, 0.0415560, 0.0556434, -0.2040259, 1.0572252)
"""The camera's colours are those of sRGB, under D65."""

D65 = 21

Light = NDArray[np.uint16]
"""(H, W, 3): 65,535 is as much as the sensor can take."""


def dng(
    light: Light, orientation: int = 1, preview: NDArray[np.uint8] | None = None, neutral: Sequence[float] = (1, 1, 1)
) -> bytes:
    """A file of a Bayer sensor that saw such light.

    preview: of the camera, as the sensor lies; then the sensor stands in a directory of its own.
    neutral: what the sensor gives for white, by which the light is multiplied.
    """
    seen = (light * np.asarray(neutral)).clip(0, 65_535).astype(np.uint16)
    sensor = seen[..., 1].copy()
    sensor[0::2, 0::2], sensor[1::2, 1::2] = seen[0::2, 0::2, 0], seen[1::2, 1::2, 2]
    camera: list[Any] = [
        (50_706, "B", 4, bytes((1, 4, 0, 0)), True),
        (50_707, "B", 4, bytes((1, 1, 0, 0)), True),
        (50_708, "s", 0, "Camera of the tests", True),
        (50_721, "2i", 9, _fractions(XYZ_TO_SRGB), True),
        (50_728, "2I", 3, _fractions(neutral), True),
        (50_778, "H", 1, D65, True),
        (271, "s", 0, "Tests", True),
        (272, "s", 0, "Camera", True),
        (274, "H", 1, orientation, True),
        (33_432, "s", 0, "somebody", True),
    ]
    pattern: list[Any] = [
        (33_421, "H", 2, (2, 2), True),
        (33_422, "B", 4, bytes((0, 1, 1, 2)), True),
        (50_714, "H", 1, 0, True),
        (50_717, "I", 1, 65_535, True),
    ]
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        plain: dict[str, Any] = {"metadata": None, "software": False}
        if preview is None:
            writer.write(sensor, photometric="cfa", extratags=camera + pattern, **plain)
        else:
            jpeg = encoded(Image.fromarray(preview), "JPEG", quality=95)
            shape: dict[str, Any] = {"shape": preview.shape, "dtype": "uint8", "rowsperstrip": preview.shape[0]}
            coded: dict[str, Any] = {"photometric": "ycbcr", "compression": "jpeg", "subfiletype": 1, "subifds": 1}
            writer.write(iter([jpeg]), extratags=camera, **coded, **shape, **plain)
            writer.write(sensor, photometric="cfa", subfiletype=0, extratags=pattern, **plain)
    return file.getvalue()


def _fractions(numbers: Sequence[float]) -> list[int]:
    return [part for number in numbers for part in (round(number * 10_000), 10_000)]
