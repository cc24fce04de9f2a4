"""The decode plan: what of the picture has to be decoded, derived from the pipeline and the output.

This is the only place that decides it.  A JPEG whose pipeline begins with a reduction is decoded at 1/2, 1/4
or 1/8 scale by the inverse DCT, and a drawing is drawn at the size that it is resized to; only as many frames are
decoded as the output can hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgsrv.imaging.colour.icc import Icc
from imgsrv.imaging.model.limits import Size

if TYPE_CHECKING:
    # Operations that decode a second picture are part of a pipeline, and decoding needs the plan.
    from imgsrv.imaging.pipelines.pipeline import Pipeline

SCALES = (8, 4, 2)
"""Denominators of the scales at which libjpeg decodes faster than at full size.

The scale may leave no reduction at all to the kernel.  Measured against Lanczos from full resolution at ratios 2
to 12: on four photographs at least 41.0 dB, 52 dB at the median; on a field of stars, single bright pixels on
black, at least 35 dB just above a ratio of 4 or 8.
"""


GLIMPSE_SIDE = 200
"""Least pixels along the longer side that leave a placeholder or a mean colour what it is."""


@dataclass(frozen=True, slots=True)
class DecodePlan:
    """scale: denominator of the DCT scale, 1 is full.  all_frames: more than the first frame is wanted.

    drawn: what a drawing's size is multiplied by, for it has pixels at any size.  icc: what the colours become.
    is_deep: 16 bits a channel stay that.
    """

    scale: int = 1
    all_frames: bool = False
    drawn: float = 1.0
    icc: Icc = "srgb"
    is_deep: bool = False


def plan_decode(pipeline: Pipeline, size: Size, name: str, *, holds_frames: bool) -> DecodePlan:
    """The plan for a picture of `size` (upright) in the format `name`.  holds_frames: the output has animation."""
    if name not in ("jpeg", "svg") or not pipeline.steps or not pipeline.steps[0].may_be_reduced:
        return DecodePlan(1, holds_frames)
    target = pipeline.steps[0].result_size(size)
    if name == "svg":
        return DecodePlan(1, holds_frames, max(target[0] / size[0], target[1] / size[1]))
    reduction = min(size[0] / target[0], size[1] / target[1])
    return DecodePlan(next((scale for scale in SCALES if reduction >= scale), 1), holds_frames)


def plan_glimpse(size: Size, *, is_jpeg: bool) -> DecodePlan:
    """The plan for what is seen of a picture of `size` (upright) at a few dozen pixels: colours, placeholders."""
    reduction = max(size) / GLIMPSE_SIDE if is_jpeg else 1
    return DecodePlan(next((scale for scale in SCALES if reduction >= scale), 1))
