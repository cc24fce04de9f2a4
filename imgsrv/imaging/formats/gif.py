"""GIF: each frame is read and compressed by Pillow, what is around them is read and written in `gif_parts`."""

from __future__ import annotations

import struct

from imgsrv.imaging.formats.format import Fitness, Format
from imgsrv.imaging.formats.gif_parts.structure import SCREEN_BYTES, split
from imgsrv.imaging.formats.gif_parts.writer import LONGEST_MS, write_animation, write_still
from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.pixels.palette import reduced_with_mask

PLACE_BYTES = 9
"""Place and flags of an image."""


def _size(before: bytes, data: bytes) -> Size | None:
    """Pillow reads the place of a frame as 9 bytes behind a comma, and the screen as 13 bytes at once."""
    if before == b"," and len(data) == PLACE_BYTES:
        left, top, width, height = struct.unpack_from("<HHHH", data)
        return left + width, top + height
    if len(before) != 1 and data.startswith(b"GIF8") and len(data) == SCREEN_BYTES:
        width, height = struct.unpack_from("<HH", data, 6)
        return width, height
    return None


FORMAT = Format(
    name="gif",
    label="GIF",
    pillow="GIF",
    media_type="image/gif",
    suffixes=(".gif",),
    position=5,
    signatures=(b"GIF87a", b"GIF89a"),
    fields=("colours",),
    has_animation=True,
    has_metadata=False,
    max_duration_ms=LONGEST_MS,
    size_in=_size,
    # Pillow would go on and clear the place of the first frame.
    screen_bytes=SCREEN_BYTES,
    reads_parts=True,
    split=split,
    write_still=write_still,
    write_animation=write_animation,
    reduce=reduced_with_mask,
    fitness=Fitness(drawing=0.4, animation=0.6),
    browsers_show=True,
    is_shown_everywhere=True,
    decode_bytes_per_pixel=12,
    encode_bytes_per_pixel=47,
    result_bytes_per_pixel=1,
)
