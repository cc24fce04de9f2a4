"""Types of parameters that operations and outputs share; each parses a text into a typed, bounded value."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, NamedTuple

from PIL import ImageColor
from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

MAX_SIDE = 32_768
"""Longest side of a result in pixels; for most shapes, the limit on pixels is reached first."""


Icc = Literal["srgb", "p3", "keep"]
"""The colour space of a result."""

Hdr = Literal["drop", "keep"]
"""What becomes of a gain map."""

Broken = Literal["refuse", "accept"]
"""Treatment of a picture that cannot be read as a whole."""


class Colour(NamedTuple):
    """An sRGB colour with alpha, each channel 0 to 255."""

    red: int
    green: int
    blue: int
    alpha: int = 255

    def __str__(self) -> str:
        return f"{self.red:02x}{self.green:02x}{self.blue:02x}" + (f"{self.alpha:02x}" if self.alpha != OPAQUE else "")

    @property
    def is_opaque(self) -> bool:
        """The colour has no transparency."""
        return self.alpha == OPAQUE


OPAQUE = 255
TRANSPARENT = Colour(0, 0, 0, 0)
WHITE = Colour(255, 255, 255)
BLACK = Colour(0, 0, 0)


def parse_colour(text: Any) -> Colour:
    """A colour from `ff8800`, `#ff8800`, `f80`, `ff880080`, a CSS name, `rgb(255,136,0)` or `transparent`."""
    if isinstance(text, Colour):
        return text
    if not isinstance(text, str):
        raise ValueError(COLOUR_ALLOWED)  # noqa: TRY004  pydantic turns ValueError into its own message
    if text.lower() == "transparent":
        return TRANSPARENT
    is_hex = bool(text) and all(digit in "0123456789abcdefABCDEF" for digit in text)
    try:
        channels = ImageColor.getrgb(f"#{text}" if is_hex else text)
    except ValueError as error:
        raise ValueError(COLOUR_ALLOWED) from error
    if max(channels) > OPAQUE:
        # Pillow accepts rgb(300,0,0).
        raise ValueError(COLOUR_ALLOWED)
    return Colour(*channels)


def parse_opaque_colour(text: Any) -> Colour:
    """A colour without transparency, for operations that cannot use transparency."""
    colour = parse_colour(text)
    if not colour.is_opaque:
        raise ValueError(COLOUR_ALLOWED)
    return colour


COLOUR_ALLOWED = "a colour such as ff8800, ff880080, orange, rgb(255,136,0) or transparent"

ColourParameter = Annotated[
    Colour,
    BeforeValidator(parse_colour),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "format": "colour", "examples": ["ff8800", "white", "transparent"]}),
]

OpaqueColourParameter = Annotated[
    Colour,
    BeforeValidator(parse_opaque_colour),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "format": "opaque-colour", "examples": ["ff8800", "white"]}),
]

Gravity = Literal["center", "north", "northeast", "east", "southeast", "south", "southwest", "west", "northwest"]


class Aspect(NamedTuple):
    """An aspect ratio, as width to height."""

    width: float
    height: float

    def __str__(self) -> str:
        return f"{self.width:.12g}:{self.height:.12g}"

    @property
    def ratio(self) -> float:
        """Width over height."""
        return self.width / self.height


def parse_aspect(text: Any) -> Aspect:
    """An aspect ratio from `16:9`, `16x9` or `1.78`."""
    if isinstance(text, Aspect):
        return text
    found = ASPECT.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(ASPECT_ALLOWED)
    aspect = Aspect(float(found[1]), float(found[2] or 1))
    if not min(aspect) > 0 or not 1 / MAX_SIDE <= aspect.ratio <= MAX_SIDE:
        raise ValueError(ASPECT_ALLOWED)
    return aspect


ASPECT = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)(?:[:x](\d{1,6}(?:\.\d{1,6})?))?", re.ASCII)
ASPECT_ALLOWED = "a shape such as 16:9 or 1.5"

AspectParameter = Annotated[
    Aspect,
    BeforeValidator(parse_aspect),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "format": "aspect", "examples": ["16:9", "1.5"]}),
]


def parse_target(text: Any) -> float:
    """A structural similarity from `ssim:0.98` or `0.98`."""
    if isinstance(text, float):
        return text
    found = TARGET.fullmatch(text) if isinstance(text, str) else None
    if found is None or not LEAST_TARGET <= float(found[1]) < 1:
        raise ValueError(TARGET_ALLOWED)
    return float(found[1])


TARGET = re.compile(r"(?:ssim:)?(0?\.\d{1,6})", re.ASCII)
LEAST_TARGET = 0.5
TARGET_ALLOWED = "a similarity from ssim:0.5 to ssim:0.999999"

TargetParameter = Annotated[
    float,
    BeforeValidator(parse_target),
    WithJsonSchema({"type": "string", "format": "target", "examples": ["ssim:0.98"]}),
]

Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]
Unit = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Factor = Annotated[float, Field(ge=0, le=10)]


def _whole_or_share(value: Any) -> Any:
    """Refuse `1.0`, which is one pixel to some and the whole side to others."""
    if isinstance(value, str) and "." in value and not value.lstrip("+").startswith(("0.", ".")):
        raise ValueError("a point stands only in fractions below 1")
    return value


Length = Annotated[
    Side | Annotated[float, Field(gt=0, lt=1)], Field(union_mode="left_to_right"), BeforeValidator(_whole_or_share)
]
"""A number of pixels, or below 1 a fraction of the side of the picture."""

Offset = Annotated[
    Annotated[int, Field(ge=0)] | Annotated[float, Field(gt=0, lt=1)],
    Field(union_mode="left_to_right"),
    BeforeValidator(_whole_or_share),
]
"""Pixels from an edge of the picture, or below 1 a fraction of its side."""

PartName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_-]{1,64}$",
        examples=["watermark"],
        json_schema_extra={"format": "part"},
        description="Name of the part of the upload to use.",
    ),
]

_ALONG = {"west": 0.0, "north": 0.0, "east": 1.0, "south": 1.0}


def gravity_point(gravity: Gravity) -> tuple[float, float]:
    """The position of a gravity as fractions of the free width and height: northwest (0, 0), center (½, ½)."""
    x = next((_ALONG[side] for side in ("west", "east") if gravity.endswith(side)), 0.5)
    y = next((_ALONG[side] for side in ("north", "south") if gravity.startswith(side)), 0.5)
    return x, y
