"""The type of a description of a picture: what `describe` and `POST /info` return.

This module imports no codec, so a program can use the type without loading one.  It does not postpone the evaluation
of annotations, because then `__required_keys__` would have all keys.
"""

from typing import NotRequired, TypedDict


class PaletteColour(TypedDict):
    """One colour of a palette."""

    colour: str
    """Six hexadecimal digits, rrggbb."""
    share: float
    """Its fraction of the visible pixels, 0 to 1."""


class Place(TypedDict):
    """The place of a photograph."""

    latitude: float
    """Degrees; the south is negative."""
    longitude: float
    """Degrees; the west is negative."""
    altitude_m: float | None
    """Metres above sea level; None if EXIF does not give it."""


class PictureFacts(TypedDict):
    """The facts of a picture, JSON-compatible.  The fields after `gain_map` exist only if `include` names them."""

    format: str
    """A value of the output parameter `format`, or another format that is only read."""
    media_type: str
    width: int
    """Pixels of the upright picture."""
    height: int
    """Pixels of the upright picture."""
    mode: str
    """Channels of the pixels as Pillow names them: L, RGB, CMYK."""
    bit_depth: int
    """Bits of a channel in the file."""
    has_alpha: bool
    frames: int | None
    """Number of frames; None if only decoding could count them."""
    durations: list[int] | None
    """Milliseconds of each frame; empty for a still picture, None if only decoding could tell."""
    plays: int | None
    """How often an animation plays, 0 for ever; None for a still picture."""
    orientation: int
    """EXIF orientation, 1 to 8; 1 is upright."""
    profile: str | None
    """Name of the colour profile."""
    exif: dict[str, str]
    iptc: dict[str, str | list[str]]
    xmp: dict[str, str]
    gain_map: bool
    """True for an Ultra HDR file, whose gain map `hdr=keep` keeps."""

    average: NotRequired[str | None]
    """Mean colour as rrggbb; None if no pixel is visible."""
    dominant: NotRequired[str | None]
    """The most frequent colour of the palette as rrggbb; None if no pixel is visible."""
    palette: NotRequired[list[PaletteColour]]
    """Up to six colours, the most frequent first."""
    blurhash: NotRequired[str]
    thumbhash: NotRequired[str]
    """ThumbHash in Base64."""
    phash: NotRequired[str]
    """Perceptual hash of 64 bits, in hexadecimal."""
    sharpness: NotRequired[float]
    """Variance of the Laplacian of the luma at full size."""
    gps: NotRequired[Place | None]
    """None if EXIF gives no place."""
    broken: NotRequired[bool]
    """True if the first frame is cut off or damaged; measures are then those of the part that is there."""
