"""Operations that multiply the channels of each pixel by a matrix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from imgsrv.imaging.colour.black_body import NEUTRAL_KELVIN, illuminant
from imgsrv.imaging.model.number_lists import MatrixParameter
from imgsrv.imaging.model.parameter_types import WHITE, Factor, OpaqueColourParameter, Unit
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.operations.registry import always, operation
from imgsrv.imaging.pixels.levels import TOP, Level, coloured, through_levels
from imgsrv.imaging.pixels.srgb import level_of, light_of
from imgsrv.imaging.pixels.strips import beside_alpha

ChannelMatrix = NDArray[np.float64]
"""(3, 3): weights of red, green and blue of the input (columns) in each channel of the result (rows)."""

LUMA = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in the luma of ITU-R BT.601, as Pillow's mode L uses them."""

IDENTITY = np.eye(3)
KEEP_LUMA = np.tile(LUMA, (3, 1))

# https://www.w3.org/TR/filter-effects-1/#feColorMatrixElement, hueRotate
HUE_LUMA = np.tile([0.213, 0.715, 0.072], (3, 1))
HUE_SINE = np.array([[-0.213, -0.715, 0.928], [0.143, 0.140, -0.283], [-0.787, 0.715, 0.072]])

# https://www.w3.org/TR/filter-effects-1/#sepiaEquivalent
SEPIA = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]])

FULL_TURN = 360


@operation(keeps_depth=always)
def grayscale(frame: Frame) -> Frame:
    """Keep only the luma (ITU-R BT.601)."""
    return beside_alpha(frame, lambda colours: colours.convert("L"))


@operation(keeps_depth=always)
def saturation(
    frame: Frame,
    *,
    factor: Annotated[Factor, Field(description="1 changes nothing, 2 doubles the distance from grey, 0 gives grey.")],
) -> Frame:
    """Change how far colours are from grey: `out = luma + (in − luma) × factor`."""
    return frame if frame.mode == "L" else _recoloured(frame, _mixed(KEEP_LUMA, IDENTITY, factor))


@operation(keeps_depth=always)
def hue(
    frame: Frame,
    *,
    degrees: Annotated[
        float, Field(ge=-360, le=360, description="Angle in degrees; 120 turns red into green.", examples=[90])
    ],
) -> Frame:
    """Rotate all colours around the colour wheel, as CSS does; grey stays grey.

    Source: W3C Filter Effects Module Level 1, feColorMatrix, type hueRotate.
    """
    if frame.mode == "L" or degrees % FULL_TURN == 0:
        return frame
    angle = math.radians(degrees)
    return _recoloured(frame, HUE_LUMA + math.cos(angle) * (IDENTITY - HUE_LUMA) + math.sin(angle) * HUE_SINE)


@operation(keeps_depth=always)
def temperature(
    frame: Frame,
    *,
    kelvin: Annotated[
        int,
        Field(
            ge=2000,
            le=15000,
            description="6500 changes nothing, 3000 is as warm as a light bulb, 10000 as cool as shade.",
            examples=[4500],
        ),
    ],
) -> Frame:
    """Show the picture in light of another colour temperature: warmer below 6500 K, cooler above.

    In linear light, `out = in × illuminant(kelvin) / illuminant(6500)` for each channel.  The illuminant is the colour
    of a black body of luminance 1, so that white keeps its luminance until it is clipped.
    Source: Krystek, An algorithm to calculate correlated colour temperature, Color Res. Appl. 10 (1985), 38-40.
    """
    if kelvin == NEUTRAL_KELVIN:
        return frame
    gains = illuminant(kelvin) / illuminant(NEUTRAL_KELVIN)

    def lit(gain: float) -> Level:
        return lambda level: TOP * level_of(gain * light_of(level / TOP))

    return through_levels(frame, [lit(gain) for gain in gains])


@operation(keeps_depth=always)
def tint(
    frame: Frame,
    *,
    colour: Annotated[OpaqueColourParameter, Field(description="Gives the hue and saturation of the result.")],
    amount: Annotated[Unit, Field(description="0 changes nothing, 1 leaves no other colour.")] = 1,
) -> Frame:
    """Tint the picture with one colour and keep its luma: `out = luma + colour − luma(colour)`."""
    rgb = np.array(colour[:3], np.float64)
    if amount == 1:
        return _by_luma(frame, [_shifted(offset) for offset in rgb - LUMA @ rgb])
    return _recoloured(frame, _mixed(IDENTITY, KEEP_LUMA, amount), amount * (rgb - LUMA @ rgb))


@operation(keeps_depth=always)
def duotone(
    frame: Frame,
    *,
    shadow: Annotated[OpaqueColourParameter, Field(description="Colour that black becomes.")],
    highlight: Annotated[OpaqueColourParameter, Field(description="Colour that white becomes.")] = WHITE,
) -> Frame:
    """Show the luma as a mixture of two colours, as a print with two inks does.

    `out = shadow + (highlight − shadow) × luma / 255`
    """
    ends = zip(shadow[:3], highlight[:3], strict=True)
    return _by_luma(frame, [_mixture(dark, light) for dark, light in ends])


def _shifted(offset: float) -> Level:
    return lambda luma: luma + offset


def _mixture(dark: float, light: float) -> Level:
    """The level for each luma: from `dark` at black to `light` at white."""
    return lambda luma: dark + (light - dark) * luma / TOP


def _by_luma(frame: Frame, levels: Sequence[Level]) -> Frame:
    """The frame with its luma mapped by a function each for red, green and blue; alpha is kept unchanged."""
    return beside_alpha(frame, lambda colours: coloured(colours.convert("L"), levels))


@operation(keeps_depth=always)
def sepia(
    frame: Frame,
    *,
    amount: Annotated[Unit, Field(description="0 changes nothing, 1 leaves only brown.")] = 1,
) -> Frame:
    """Show the picture in the browns of an old photograph, as CSS does.

    Source: W3C Filter Effects Module Level 1, sepia.
    """
    return _recoloured(frame, _mixed(IDENTITY, SEPIA, amount))


@operation(keeps_depth=always)
def matrix(
    frame: Frame,
    *,
    values: Annotated[
        MatrixParameter,
        Field(description="Weights of red, green and blue in the new red, then in green, then in blue."),
    ],
) -> Frame:
    """Multiply the channels by a matrix: `out = matrix × (red, green, blue)`; sharp calls it recomb."""
    return _recoloured(frame, np.reshape(values.values, (3, 3)))


def _mixed(start: ChannelMatrix, end: ChannelMatrix, amount: float) -> ChannelMatrix:
    """The matrix that is `start` at 0 and `end` at 1."""
    # In this form both ends are exact.
    return (1 - amount) * start + amount * end


def _recoloured(frame: Frame, matrix: ChannelMatrix, offset: NDArray[np.float64] | None = None) -> Frame:
    """`matrix × pixel + offset`, rounded and clipped; grey becomes RGB, alpha is kept unchanged."""
    rows = np.column_stack([matrix, np.zeros(3) if offset is None else offset])
    # 1.7 ms a megapixel, twice as fast as cv2.transform with the two copies that it needs.
    return beside_alpha(frame, lambda colours: _as_rgb(colours).convert("RGB", tuple(rows.ravel())))


def _as_rgb(colours: Frame) -> Frame:
    # Pillow copies a frame that is converted to its own mode.
    return colours if colours.mode == "RGB" else colours.convert("RGB")
