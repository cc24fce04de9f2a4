"""Operations that depend on the histogram of the luma."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from imgsrv.imaging.lazy import cv2
from imgsrv.imaging.model.picture import Frame, Source
from imgsrv.imaging.operations.registry import always, operation
from imgsrv.imaging.pixels.levels import LEVELS, TOP, all_levels, through_table, visible_histogram
from imgsrv.imaging.pixels.strips import beside_alpha, through_array, through_rows, through_strips, weighted
from imgsrv.imaging.pixels.visible_colours import visible_luma
from imgsrv.imaging.pixels.working_frame import Pixels, frame_of

Counts = list[int]
"""(256,), or (65536,) for 16 bits: number of visible pixels of each luma."""


def _counts(frames: Sequence[Frame]) -> Counts:
    return [sum(counts) for counts in zip(*map(visible_histogram, frames), strict=True)]


def _survey_equalize(frames: Sequence[Frame], _source: Source) -> list[float]:
    """The new level for each luma, one table for all frames."""
    counts = _counts(frames)
    up_to = list(itertools.accumulate(counts))
    darkest = next((count for count in counts if count), 0)
    rest = up_to[-1] - darkest
    # A picture of one luma, or without visible pixels, is kept.
    return [TOP * max(0, below - darkest) / rest for below in up_to] if rest else list(all_levels(len(up_to)))


@operation(survey=_survey_equalize, keeps_depth=always)
def equalize(frame: Frame, table: Sequence[float]) -> Frame:
    """Spread the luma so that every part of its range has the same number of pixels.

    `luma after = 255 × (pixels up to luma − pixels of the darkest) / (all pixels − pixels of the darkest)`, the same
    for all frames.  Each channel is `out = in + luma after − luma`, which keeps Cb and Cr.  Only visible pixels count;
    alpha is kept unchanged.
    Source: Gonzalez & Woods, Digital Image Processing (2018), 3.3.
    """

    def equalized(strip: Frame) -> Frame:
        luma = strip.convert("L")
        return _with_luma(strip, np.asarray(luma), np.asarray(through_table(luma, table)))

    return through_strips(frame, equalized)


@operation()
def clahe(
    frame: Frame,
    *,
    clip: Annotated[
        float, Field(ge=1, le=100, description="Limit of the contrast; 1 changes little, 40 is no limit.")
    ] = 2,
    tiles: Annotated[int, Field(ge=1, le=64, description="Tiles along each side, each with its own histogram.")] = 8,
) -> Frame:
    """Increase local contrast: equalize the luma of each tile of the picture, within a limit.

    This is contrast-limited adaptive histogram equalization.  Counts above `clip` times the mean of a tile's histogram
    are spread over all levels, and the tables of neighbouring tiles are interpolated.  Each channel is `out = in +
    (luma after − luma before)`, which keeps Cb and Cr.  Every frame has its own tiles; alpha is kept unchanged.
    Source: Zuiderveld, Contrast limited adaptive histogram equalization, Graphics Gems IV (1994), 474-485.
    """
    across, down = min(tiles, frame.width), min(tiles, frame.height)
    reach = max(-(-frame.width // across), -(-frame.height // down))
    before = visible_luma(frame, reach)
    # In place, because OpenCV needs a third array of that size if the tiles differ in size.
    after = np.require(weighted(before, "L"), requirements="W")
    cv2.createCLAHE(clip, (across, down)).apply(after, after)

    def changed(strip: Frame, rows: slice) -> Frame:
        return _with_luma(strip, np.asarray(before.crop((0, rows.start, frame.width, rows.stop))), after[rows])

    return through_rows(frame, changed)


def _with_luma(frame: Frame, before: Pixels, after: Pixels) -> Frame:
    """The frame with the difference of luma added to each colour channel; alpha is kept unchanged."""
    if frame.mode == "L":
        return frame_of(after)
    # Subtraction clips at 0, so gain and loss are two arrays.
    more, less = (cv2.merge([cv2.subtract(*pair)] * 3) for pair in ((after, before), (before, after)))

    def changed(colours: Pixels) -> Pixels:
        return np.asarray(cv2.subtract(cv2.add(colours, more), less), colours.dtype)

    return beside_alpha(frame, lambda colours: through_array(colours, changed))


def _survey_threshold(frames: Sequence[Frame], _source: Source, *, level: int | None) -> int:
    """The lowest luma that becomes white."""
    return _otsu(_counts(frames)) if level is None else level


@operation(survey=_survey_threshold)
def threshold(
    frame: Frame,
    lowest: int,
    *,
    level: Annotated[
        int | None,
        Field(ge=0, le=256, description="Lowest luma that becomes white; chosen by Otsu's method if not given."),
    ] = None,
) -> Frame:
    """Leave only black and white: white where the luma is at least `level`.

    Otsu's method divides the visible pixels of all frames into two classes with the greatest variance between them,
    `n₀ × n₁ × (mean₀ − mean₁)²`.  Alpha is kept unchanged.
    Source: Otsu, A threshold selection method from gray-level histograms, IEEE Trans. SMC 9 (1979), 62-66.
    """
    return beside_alpha(frame, lambda colours: colours.convert("L").point([TOP * (at >= lowest) for at in LEVELS]))


def _otsu(counts: Counts) -> int:
    """The lowest luma of the brighter class; 1 where all pixels have one luma."""
    number = np.cumsum(counts, dtype=np.float64)
    total = np.cumsum(np.multiply(counts, LEVELS), dtype=np.float64)
    others = number[-1] - number
    # n₀ × n₁ × (mean₀ − mean₁)², with the divisions by n₀ and n₁ moved out of the square.
    apart = np.square(total * others - (total[-1] - total) * number) / np.maximum(number * others, 1)
    return int(np.argmax(apart)) + 1
