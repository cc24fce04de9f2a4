"""How long each frame of an animation stands, read from the file's own structure without decoding a pixel."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from imgsrv.imaging.formats.format import Format, TooManyBlocks
from imgsrv.imaging.model.animation import Milliseconds
from imgsrv.imaging.model.limits import Data, Limits


def read_durations(form: Format, frames: int, data: Data, limits: Limits) -> tuple[int, ...] | None:
    """Milliseconds of every frame, rounded; none for a still picture, None where only decoding could tell.

    frames: as the header counts them.  Raises TooManyFrames.
    """
    durations: list[int] = []
    try:
        found = _found(form, data)
        if found is None:
            return None if form.reads_animation and frames > 1 else ()
        for duration in found:
            limits.check_frames(len(durations) + 1)
            durations.append(round(duration))
    except TooManyBlocks:
        return None
    except (LookupError, struct.error, SyntaxError, OSError, ZeroDivisionError):
        # A file that is cut off or broken ends with the frames that it has.  A decoder that counts raises OSError.
        pass
    return tuple(durations) if len(durations) > 1 else ()


def _found(form: Format, data: Data) -> Iterable[Milliseconds] | None:
    """The duration of each frame; None where only decoding could tell."""
    if form.split is None:
        return form.durations and form.durations(data)
    animation = form.split(data)
    return (part.duration for part in animation.parts) if animation else ()
