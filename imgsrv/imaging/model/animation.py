"""An animation as its file has it: parts of a canvas, each a still picture of its own, and how they follow each other.

A format splits its files into this; `imgsrv/imaging/codecs/animate.py` composes the frames that viewers show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from itertools import accumulate, pairwise

from imgsrv.imaging.model.limits import Size

Milliseconds = int | Fraction
"""How long a frame stands: exact, as the file says it."""

FOR_EVER, ONCE = 0, 1
"""How often an animation plays: 0 stands for no end."""


class Disposal(Enum):
    """Treatment of the canvas after a frame has been shown."""

    KEEP = "keep"
    CLEAR = "clear"
    """The frame's place becomes transparent."""
    RESTORE = "restore"
    """The canvas becomes what it was before the frame."""


@dataclass(frozen=True, slots=True)
class Part:
    """The part of the canvas that one frame paints.

    place: left and top on the canvas.  size: of the part.  still: makes the file of a still picture of its pixels.
    is_over: it is composited over the canvas by its alpha; otherwise it replaces what is there, with its alpha.
    """

    place: tuple[int, int]
    size: Size
    still: Callable[[], bytes]
    duration: Milliseconds = 0
    disposal: Disposal = Disposal.KEEP
    is_over: bool = True


@dataclass(frozen=True, slots=True)
class Animation:
    """parts: in order; they can be gone through once, and raise one of BROKEN where the file is broken.

    plays: counts how often it plays, FOR_EVER without an end; it may walk through the whole file.
    """

    parts: Iterator[Part]
    plays: Callable[[], int]


def whole_milliseconds(durations: Iterable[Milliseconds], longest: int) -> list[int]:
    """The durations in whole milliseconds; what rounding takes from one frame goes to the next."""
    ends = [round(end) for end in accumulate(durations, initial=Fraction(0))]
    return [min(longest, end - start) for start, end in pairwise(ends)]
