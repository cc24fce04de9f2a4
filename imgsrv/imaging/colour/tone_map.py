"""High dynamic range to sRGB or Display P3: PQ and HLG of BT.2100, tone-mapped by the curve of BT.2390.

The levels become light in cd/m² by the definitions of ITU-R BT.2100 (tables 4 and 5; HLG as on a display of
1,000 cd/m²).  The EETF of ITU-R BT.2390 (5.4.1) brings the peak down to reference white, 203 cd/m² by ITU-R BT.2408.
It is applied to the largest of the three channels, and the other two keep their ratio to it, so no hue moves.
"""

from __future__ import annotations

from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from imgsrv.imaging.colour.cicp import BT_709, space_of
from imgsrv.imaging.colour.display_p3 import P3_D65
from imgsrv.imaging.colour.matrix_profile import Primaries, to_d50
from imgsrv.imaging.model.cicp import HLG, Cicp
from imgsrv.imaging.pixels.sixteen_bit import DeepPixels
from imgsrv.imaging.pixels.srgb import level_of
from imgsrv.imaging.pixels.strips import bands

PEAK, WHITE = 1_000.0, 203.0
"""cd/m² of the brightest light that is mapped, and of the light that becomes the level of white."""

PQ_TOP = 10_000.0
"""cd/m² of the highest level of PQ."""

M1, M2, C1, C2, C3 = 2610 / 16_384, 2523 / 4096 * 128, 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
"""Constants of PQ."""

A, B, C = 0.178_832_77, 0.284_668_92, 0.559_910_73
"""Constants of HLG."""

HLG_GAMMA = 1.2
"""Gamma of the system, for a display of 1,000 cd/m²."""

LUMA = np.array([0.2627, 0.6780, 0.0593], np.float32)
"""The shares of BT.2020's red, green and blue in luminance, by which HLG's system gamma is defined."""

LEVELS = 65_536

Floats: TypeAlias = NDArray[np.float32]


def tone_mapped(pixels: DeepPixels, cicp: Cicp, *, is_p3: bool) -> DeepPixels:
    """Pixels of 16 bits, (H, W, 1), (H, W, 3) or (H, W, 4) with straight alpha, in sRGB or Display P3.

    cicp: of the pixels, PQ or HLG.
    """
    result = np.empty_like(pixels)
    matrix = _matrix(space_of(cicp), is_p3=is_p3)
    for rows in bands(*pixels.shape[:2]):
        band = pixels[rows]
        if pixels.shape[2] == 1:
            # Grey is the same in every space under one white.
            grey = _display_light(np.repeat(band, 3, axis=2), cicp)[..., :1]
            result[rows] = _levels(grey)
            continue
        result[rows, :, :3] = _levels(_display_light(band[..., :3], cicp) @ matrix)
        result[rows, :, 3:] = band[..., 3:]
    return result


def _levels(light: Floats) -> DeepPixels:
    levels: DeepPixels = (level_of(light.clip(0, 1)) * (LEVELS - 1) + 0.5).astype(np.uint16)
    return levels


def _display_light(levels: DeepPixels, cicp: Cicp) -> Floats:
    """Linear light in the picture's own primaries after tone mapping; 1 is white."""
    if cicp.transfer == HLG:
        scene = _hlg_light()[levels]
        luminance = np.maximum(scene @ LUMA, np.float32(1e-9))
        light = scene * (np.float32(PEAK) * luminance ** np.float32(HLG_GAMMA - 1))[..., None]
    else:
        light = _pq_light()[levels]
    # The gain is looked up by the fourth root of light, of which equal steps look about equal.
    places = (light.max(axis=-1) / PQ_TOP) ** 0.25 * (LEVELS - 1)
    gained: Floats = light * _gain()[places.astype(np.uint16)][..., None]
    return gained


@cache
def _pq_light() -> Floats:
    """cd/m² for each level (BT.2100, table 4)."""
    return _pq_to_light(np.arange(LEVELS) / (LEVELS - 1)).astype(np.float32)


def _pq_to_light(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    root = signal ** (1 / M2)
    light: NDArray[np.float64] = PQ_TOP * (np.maximum(root - C1, 0) / (C2 - C3 * root)) ** (1 / M1)
    return light


def _light_to_pq(light: NDArray[np.float64]) -> NDArray[np.float64]:
    power = (light / PQ_TOP) ** M1
    signal: NDArray[np.float64] = ((C1 + C2 * power) / (1 + C3 * power)) ** M2
    return signal


@cache
def _hlg_light() -> Floats:
    """Light of the scene, 0 to 1, for each level: the inverse of the OETF (BT.2100, table 5)."""
    signal = np.arange(LEVELS) / (LEVELS - 1)
    light = np.where(signal <= 1 / 2, signal**2 / 3, (np.exp((signal - C) / A) + B) / 12)
    return light.astype(np.float32)


@cache
def _gain() -> Floats:
    """The factor of light, for its fourth root: the EETF of BT.2390, over the light itself and white."""
    light = (np.arange(1, LEVELS + 1) / LEVELS) ** 4 * PQ_TOP
    source_top, target_top = (float(_light_to_pq(np.array(top))) for top in (PEAK, WHITE))
    top = target_top / source_top
    knee = 1.5 * top - 0.5
    signal = np.minimum(_light_to_pq(light) / source_top, 1)
    t = (signal - knee) / (1 - knee)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * top
    mapped = _pq_to_light(np.where(signal < knee, signal, spline) * source_top)
    return (mapped / light / WHITE).astype(np.float32)


@cache
def _matrix(space: Primaries, *, is_p3: bool) -> Floats:
    """From linear colours of a space of code points, as rows, to linear sRGB or Display P3.

    There are few spaces, but a file can name any number of other code points: they must not fill the cache.
    """
    wanted = P3_D65 if is_p3 else BT_709
    matrix: Floats = (np.linalg.inv(to_d50(wanted)) @ to_d50(space)).T.astype(np.float32)
    return matrix
