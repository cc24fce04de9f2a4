"""How long each frame of an animation stands, read from the file's own structure without decoding a pixel."""

from __future__ import annotations

import struct

from imgsrv.imaging.formats.format import Format, TooManyBlocks
from imgsrv.imaging.model.limits import Data, Limits


def read_durations(form: Format, frames: int, data: Data, limits: Limits) -> tuple[int, ...] | None:
    """Milliseconds of every frame; none for a still picture, None where only decoding could tell.

    frames: as the header counts them.  Raises TooManyFrames.
    """
    if form.durations is None:
        return None if form.has_animation and frames > 1 else ()
    durations: list[int] = []
    try:
        for duration in form.durations(data):
            limits.check_frames(len(durations) + 1)
            durations.append(duration)
    except TooManyBlocks:
        return None
    except (IndexError, struct.error):
        # A file that is cut off ends with the frames that it has.
        pass
    return tuple(durations) if len(durations) > 1 else ()
