"""What of a file is decoded: the only module that decides it, for pictures, batches, descriptions and the JPEG path.

A JPEG whose pipeline begins with a reduction is decoded at 1/2, 1/4 or 1/8 scale by the inverse DCT, and a drawing is
drawn at the size that it is scaled to.  Only as many frames are decoded as the output can hold.  A second picture that
is laid over the first is a SecondPicture, which is decoded at full size, or drawn at the size at which it is laid.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Protocol

from imgsrv.imaging.codecs import turbojpeg
from imgsrv.imaging.codecs.auto_format import EVERYWHERE, Offers
from imgsrv.imaging.codecs.decode import DecodePlan, Header
from imgsrv.imaging.codecs.native import jpeg as native_jpeg
from imgsrv.imaging.codecs.output import SAME, Output
from imgsrv.imaging.codecs.placeholders import PLACEHOLDERS, holds_frames
from imgsrv.imaging.colour.colours import Colours, colours_of
from imgsrv.imaging.colour.convert import is_same
from imgsrv.imaging.formats import WRITTEN, jpeg, written_as
from imgsrv.imaging.formats.format import Format
from imgsrv.imaging.jpeg_fast_path import KEPT_PLANS, PlanesPlan, can_decode
from imgsrv.imaging.model.limits import ExactSize, Limits, Size
from imgsrv.imaging.operations.shape.resize import shown_part
from imgsrv.imaging.pipelines.drawing import drawn_size
from imgsrv.imaging.pipelines.gain_map import check_steps
from imgsrv.imaging.pipelines.pipeline import Pipeline, Step

GLIMPSE_SIDE = 200
"""Least pixels along the longer side that leave a placeholder or a mean colour what it is."""

PLAIN = ("srgb", "strip", "4:2:0", "drop")
"""Colours, metadata, subsampling and treatment of a gain map of an output that the JPEG path writes."""


class Known(Protocol):
    """What a plan needs to know of a picture: a Header has it, and the facts by which the cost is estimated."""

    @property
    def form(self) -> Format:
        """The row of its format."""

    @property
    def format(self) -> str:
        """The name of its format."""

    @property
    def size(self) -> Size:
        """Upright."""

    @property
    def exact_size(self) -> ExactSize:
        """The size of a drawing, which need not be of whole pixels."""


def result_format(header: Known, output: Output) -> str:
    """The format that was asked for, or that of the input, which also stands for one that `is_chosen` later."""
    if output.format not in (None, "auto", SAME):
        return output.format
    return written_as(header.format)


def is_chosen(header: Known, output: Output) -> bool:
    """The format follows from the pixels: `auto`, or none is named for an input that browsers do not show."""
    return output.format == "auto" or (output.format is None and not header.form.browsers_show)


def offers_for(output: Output, offers: Offers) -> Offers:
    """What the format is chosen from.  offers: those of the request, for `auto`."""
    return offers if output.format == "auto" else EVERYWHERE


def plan_result(header: Known, output: Output, pipeline: Pipeline) -> DecodePlan:
    """The plan for one result; it has every frame where the result may be animated.

    Raises UnusableParameters for a step with which a gain map does not go.
    """
    name = result_format(header, output)
    if name in PLACEHOLDERS and not pipeline.steps:
        return _glimpse(header)
    if header.form.is_vector:
        return DecodePlan(drawn=drawn_size(header.exact_size, pipeline), icc=output.icc)
    is_open = is_chosen(header, output)
    plan = _reduced(header, pipeline, DecodePlan(all_frames=is_open or holds_frames(name)))
    can_be_deep = not is_open and name in WRITTEN and WRITTEN[name].has_16_bits
    is_deep = can_be_deep and output.colours is None and pipeline.keeps_depth
    has_gain_map = output.hdr == "keep" and (is_open or _holds_gain_map(name))
    if has_gain_map:
        check_steps(step.operation for step in pipeline.steps)
    return replace(plan, icc=output.icc, is_deep=is_deep, has_gain_map=has_gain_map)


def _holds_gain_map(name: str) -> bool:
    return name in WRITTEN and WRITTEN[name].save_with_gain_map is not None


def plan_results(header: Known, outputs: Iterable[tuple[Output, Pipeline]]) -> DecodePlan:
    """The plan for several results of one picture that is no drawing: that of the result that needs most of it.

    The outputs have the same icc.
    """
    plans = [plan_result(header, output, pipeline) for output, pipeline in outputs]
    return DecodePlan(
        min(plan.scale for plan in plans),
        any(plan.all_frames for plan in plans),
        icc=plans[0].icc,
        is_deep=all(plan.is_deep for plan in plans),
        has_gain_map=any(plan.has_gain_map for plan in plans),
    )


def plan_measures(header: Known, *, is_full: bool) -> DecodePlan:
    """The plan for measures of the first frame; a JPEG at a smaller scale unless a measure needs the full size."""
    return DecodePlan() if is_full else _glimpse(header)


def plan_planes(header: Header, output: Output, pipeline: Pipeline, limits: Limits) -> PlanesPlan | None:
    """The plan for a JPEG that is resized in its own colours, where all that is asked for is another size.

    Raises ResultTooLarge.
    """
    if len(pipeline.steps) != 1 or not _is_plain(header, output):
        return None
    step = pipeline.steps[0]
    plan = _resized(header.size, step, header.orientation)
    if plan is None:
        return None
    limits.check_result(step.operation.name, plan.after)
    return plan if max(plan.after) <= jpeg.FORMAT.max_side and can_decode(plan.scale) else None


def native_eighths(known: Known, results: Sequence[tuple[Output, Pipeline]]) -> int | None:
    """The scale, in eighths, at which imgsrv's own decoder will read a picture for all results; None for others.

    It follows from the header check.  Modes, profiles and the orientation are not known then, and most JPEGs have the
    usual ones.
    """
    found = [_native_eighths(known, output, pipeline) for output, pipeline in results]
    scales = [eighths for eighths in found if eighths is not None]
    return max(scales) if len(scales) == len(found) else None


def _native_eighths(known: Known, output: Output, pipeline: Pipeline) -> int | None:
    if not (native_jpeg.IS_HERE and len(pipeline.steps) == 1 and known.format == jpeg.FORMAT.name):
        return None
    if result_format(known, output) != known.format or not _asks_for_nothing_else(output):
        return None
    plan = _resized(known.size, pipeline.steps[0], 1)
    return int(8 * plan.scale) if plan is not None and plan.scale <= native_jpeg.LARGEST else None


@lru_cache(maxsize=KEPT_PLANS)
def _resized(size: Size, step: Step, orientation: int) -> PlanesPlan | None:
    """The plan for a step, None for one that does more than resample one part of the picture."""
    if step.operation.name != "resize" or (shown := shown_part(size, step.arguments)) is None:
        return None
    after, box, kernel = shown
    left = max(after[0] / box[2], after[1] / box[3])
    scale = next((scale for scale in turbojpeg.SCALES if scale >= left), turbojpeg.SCALES[-1])
    return PlanesPlan(size, after, box, kernel, scale, orientation)


def _is_plain(header: Header, output: Output) -> bool:
    """A JPEG of three channels in sRGB, to one with no parameter but quality and effort."""
    return (
        header.format == result_format(header, output) == jpeg.FORMAT.name
        and header.mode == "RGB"
        and header.index is None
        and is_same(colours_of(header.info, header.mode), Colours())
        and _asks_for_nothing_else(output)
    )


def _asks_for_nothing_else(output: Output) -> bool:
    """An output with no parameter but quality and effort."""
    return (
        output.format != "auto"
        and (output.icc, output.metadata, output.subsampling, output.hdr) == PLAIN
        and not (output.progressive or output.target is not None or output.max_bytes is not None)
    )


def _reduced(header: Known, pipeline: Pipeline, plan: DecodePlan) -> DecodePlan:
    """The plan at the scale of the first step.

    The scale may leave no reduction at all to the kernel.  Measured against Lanczos from full resolution at ratios 2
    to 12: on four photographs at least 41.0 dB, 52 dB at the median; on a field of stars, single bright pixels on
    black, at least 35 dB just above a ratio of 4 or 8.  `tests/imaging/formats/test_jp2_scales.py` has JPEG 2000.
    """
    size = header.size
    if not header.form.scales or not pipeline.steps or not pipeline.steps[0].may_be_reduced:
        return plan
    target = pipeline.steps[0].result_size(size)
    reduction = min(size[0] / target[0], size[1] / target[1])
    return replace(plan, scale=_scale(header, reduction))


def _glimpse(header: Known) -> DecodePlan:
    """The plan for a picture so small that colours and placeholders are what they are at full size."""
    reduction = max(header.size) / GLIMPSE_SIDE
    if header.form.is_vector:
        width, height = (max(1, round(side / max(1.0, reduction))) for side in header.exact_size)
        return DecodePlan(drawn=(width, height))
    return DecodePlan(_scale(header, reduction))


def _scale(header: Known, reduction: float) -> int:
    """The denominator of the smallest scale that a reduction by this factor allows."""
    form = header.form
    return next((scale for scale in form.scales if reduction >= scale * form.scale_spare), 1)
