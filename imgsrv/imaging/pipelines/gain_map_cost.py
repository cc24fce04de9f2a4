"""What a gain map adds to the estimate of a job: it is decoded, goes through the steps and is encoded as a picture."""

from __future__ import annotations

from imgsrv.imaging.formats.format import Format
from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.weights import weights
from imgsrv.imaging.operations.registry import pixels

PIXEL_BYTES = 3

COPIES = 4
"""Most copies that a step holds: the gain map, the one at the size of the picture, one that is changed, the result."""

RESAMPLING_NS = 6.0
"""Nanoseconds to bring a gain map to the size of the picture, for each pixel of the picture."""

Cost = tuple[float, float]
"""Nanoseconds, and bytes that are held."""


def to_decode(form: Format, gain_map: Size) -> Cost:
    """The cost to decode a gain map; any of them may hold noise."""
    area = pixels(gain_map)
    return area * weights().decoder(form.name, 1.0), form.decode_bytes + area * form.decode_bytes_per_pixel


def to_change(step_ns: float, before: Size, after: Size, gain_map: Size) -> Cost:
    """The cost of a step.  step_ns: of the picture itself."""
    area = max(pixels(before), pixels(after), pixels(gain_map))
    return step_ns + area * RESAMPLING_NS, COPIES * PIXEL_BYTES * area


def to_encode(form: Format, result: Size, share: float, nanoseconds: float) -> Cost:
    """The cost to encode the gain map of a result.  share: of the picture's area.  nanoseconds: for a pixel."""
    area = pixels(result) * min(1.0, share)
    return area * nanoseconds, area * (form.encode_bytes_per_pixel + PIXEL_BYTES)
