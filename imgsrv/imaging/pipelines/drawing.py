"""A drawing has no pixels of its own: at which size a pipeline wants it, and the pipeline on a drawing of that size.

It is drawn at the size to which the first `resize` or `smartcrop` scales it, larger or smaller than its own.  The steps
before that one must not count in pixels; otherwise it is drawn at its own size.
"""

from __future__ import annotations

import math

from imgsrv.errors import OperationDoesNotFit
from imgsrv.imaging.formats.format import Format
from imgsrv.imaging.model.limits import ExactSize, Size
from imgsrv.imaging.pipelines.pipeline import Pipeline


def on_drawing(form: Format, pipeline: Pipeline) -> Pipeline:
    """The pipeline with a scaling step that enlarges a drawing; for any other format, the pipeline itself."""
    at = _scaling_step(pipeline) if form.is_vector else None
    if at is None:
        return pipeline
    steps = pipeline.steps
    return Pipeline((*steps[:at], steps[at].enlarging, *steps[at + 1 :]))


def drawn_size(size: ExactSize, pipeline: Pipeline) -> Size | None:
    """The size at which a drawing of the given size is drawn for the pipeline; None for its own."""
    at = _scaling_step(pipeline)
    if at is None:
        return None
    before: ExactSize = size
    try:
        for step in pipeline.steps[:at]:
            before = step.result_size(before)
        after = pipeline.steps[at].enlarging.scaled_size(before)
    except OperationDoesNotFit:
        # The step itself will raise it.
        return None
    if not at:
        return after
    factor = max(after[0] / before[0], after[1] / before[1])
    return max(1, math.ceil(size[0] * factor)), max(1, math.ceil(size[1] * factor))


def _scaling_step(pipeline: Pipeline) -> int | None:
    """The place of the first step that scales the whole picture, if no step before it counts in pixels."""
    for at, step in enumerate(pipeline.steps):
        if step.operation.scaled_size is not None:
            return at
        if not step.is_scale_free:
            return None
    return None
