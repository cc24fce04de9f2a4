"""The gain map of a picture: how much brighter each place is on a display of high dynamic range."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

from PIL import Image

from imgsrv.imaging.model.parameter_types import Colour

LEVELS = 255

CHANNELS = 3


@dataclass(frozen=True, slots=True)
class GainTerms:
    """What the levels of a gain map mean, as ISO 21496-1 has it.  Gains and headrooms are binary logarithms.

    low, high: the gains of level 0 and of level 255.  gamma: 255 × ((gain − low) ÷ (high − low)) ** gamma is the level.
    base_offset, other_offset: what is added to linear light before it is multiplied, and taken off after it.
    Each of these has one value, or three for red, green and blue.
    base_headroom, other_headroom: of the displays for which the base picture and the other one are made.
    is_in_base_colours: gains belong to the primaries of the base picture, else to those of the profile of the gain map.
    is_backward: the base picture is that of high dynamic range.
    """

    low: tuple[Fraction, ...]
    high: tuple[Fraction, ...]
    gamma: tuple[Fraction, ...]
    base_offset: tuple[Fraction, ...]
    other_offset: tuple[Fraction, ...]
    base_headroom: Fraction
    other_headroom: Fraction
    is_in_base_colours: bool = True
    is_backward: bool = False

    @property
    def neutral(self) -> Colour:
        """The level at which the picture is the same on all displays, or the nearest one that the gain map has."""
        levels = [_neutral(*terms) for terms in zip(self.low, self.high, self.gamma, strict=True)]
        red, green, blue = levels if len(levels) == CHANNELS else levels[:1] * CHANNELS
        return Colour(red, green, blue)


def _neutral(low: Fraction, high: Fraction, gamma: Fraction) -> int:
    if high <= low:
        return 0
    share = min(1.0, max(0.0, float(-low / (high - low))))
    return round(LEVELS * math.pow(share, float(gamma)))


@dataclass(frozen=True, slots=True)
class StoredGainMap:
    """A gain map in a file.  data: a picture file of its own."""

    data: bytes
    terms: GainTerms


@dataclass(frozen=True, slots=True)
class GainMap:
    """A gain map that was decoded.

    frame: mode L or RGB, turned as the picture; it covers the whole picture at a size of its own.
    share: its width and height as fractions of those of the picture with which it came.
    profile: ICC profile of the other picture's colours.
    """

    frame: Image.Image
    terms: GainTerms
    share: tuple[float, float]
    profile: bytes | None = None

    def showing(self, frame: Image.Image) -> GainMap:
        """The same gain map with another frame."""
        return replace(self, frame=frame)
