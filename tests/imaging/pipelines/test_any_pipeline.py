"""Any valid pipeline on any readable picture gives a picture of the promised size, or the predicted 422.

The steps come from the table of operations.  They are the same in every run; this command tries more of them:

    pytest tests/imaging/pipelines/test_any_pipeline.py --hypothesis-profile long --timeout 0
"""

from __future__ import annotations

import gallery
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pictures import opened
from strategies import MOST_PIXELS, files, steps

from imgsrv.errors import ImgsrvError, NoFaceFound, OperationDoesNotFit, ResultTooLarge
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.formats import WRITTEN
from imgsrv.imaging.model.limits import Limits, Size
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.imaging.pipelines.pipeline import Pipeline, Step, parse_pipeline
from imgsrv.imaging.process import process

LIMITS = Limits(max_pixels=MOST_PIXELS, max_frames=8)

LOOKED_AT = ("trim",)
"""Operations whose size only the pixels tell; what is predicted is the most it can be."""

IS_LONG = settings.get_current_profile_name() == "long"
EXAMPLES = 200 if IS_LONG else 12
"""Of each operation; of pipelines twenty times as many."""

OUTPUTS = st.sampled_from(sorted(name for name, form in WRITTEN.items() if not form.extra))
UNPREDICTED = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def promised(size: Size, pipeline: Pipeline, frames: int) -> Size:
    """The expected size of the result.  Raises the error that the pipeline must raise."""
    for step in pipeline.steps:
        size = step.result_size(size)
        LIMITS.check_result(step.operation.name, size, frames)
    return size


def hold_promise(file: tuple[bytes, Size, int], pipeline: Pipeline, after: str) -> None:
    data, size, count = file
    frames = count if WRITTEN[after].has_animation else 1
    parts = {step.part: gallery.PARTS[step.part]() for step in pipeline.steps if step.part is not None}
    is_known = not any(step.operation.name in LOOKED_AT for step in pipeline.steps)
    refusal: ImgsrvError | None = None
    try:
        size = promised(size, pipeline, frames)
    except (OperationDoesNotFit, ResultTooLarge) as error:
        refusal = error
    try:
        made = opened(process(data, pipeline, Output(format=after), LIMITS, parts))
    except ImgsrvError as error:
        # Only the pixels tell that a face which is required is not there.
        is_told = str(error) == str(refusal) or isinstance(error, NoFaceFound)
        is_promised = is_told or max(size) > WRITTEN[after].max_side
        if error.status_hint != 422 or (is_known and not is_promised):
            raise
        return
    assert made.format == WRITTEN[after].pillow
    assert parse_pipeline(str(pipeline)) == pipeline
    if is_known:
        assert refusal is None
        assert made.size == size


@pytest.mark.parametrize("name", sorted(OPERATIONS))
@settings(max_examples=EXAMPLES, deadline=None, derandomize=not IS_LONG, suppress_health_check=UNPREDICTED)
@given(data=st.data())
def test_any_call_of_an_operation_keeps_its_promise(name: str, data: st.DataObject) -> None:
    step: Step = data.draw(steps(name))
    hold_promise(data.draw(files()), Pipeline((step,)), data.draw(OUTPUTS))


@settings(max_examples=20 * EXAMPLES, deadline=None, derandomize=not IS_LONG, suppress_health_check=UNPREDICTED)
@given(file=files(), drawn=st.lists(steps(), max_size=5), after=OUTPUTS)
def test_any_pipeline_keeps_its_promise(file: tuple[bytes, Size, int], drawn: list[Step], after: str) -> None:
    hold_promise(file, Pipeline(tuple(drawn)), after)
