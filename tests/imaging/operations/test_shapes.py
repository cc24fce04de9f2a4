"""Every operation on the smallest and the longest pictures, with the size that it predicts."""

from __future__ import annotations

import io

import gallery
import pytest
from pictures import encoded, picture
from PIL import Image

from imgsrv.errors import OperationDoesNotFit, ResultTooLarge
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.imaging.pipelines.pipeline import parse_pipeline
from imgsrv.imaging.process import process

SHAPES = [(1, 1), (2, 1), (1, 2000), (2000, 1), (3, 5)]


@pytest.mark.parametrize("size", SHAPES, ids=str)
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_any_shape_gives_a_picture_of_the_predicted_size_or_a_422(name: str, mode: str, size: tuple[int, int]) -> None:
    pipeline = parse_pipeline(gallery.call(name))
    parts = {step.part: gallery.PARTS[step.part]() for step in pipeline.steps if step.part is not None}
    data = encoded(picture("RGB/YW.", "RGBA").resize(size, Image.Resampling.NEAREST).convert(mode))
    try:
        done = Image.open(io.BytesIO(process(data, pipeline, Output(format="png"), Limits(), parts)))
    except (OperationDoesNotFit, ResultTooLarge):
        return
    predicted = pipeline.steps[0].result_size(size)
    assert done.size == predicted or (name == "trim" and all(a <= b for a, b in zip(done.size, predicted, strict=True)))
