"""A picture through the whole pipeline, so that a worker with a broken codec never says that it is ready."""

from __future__ import annotations

import io

from PIL import Image

from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.pipelines.pipeline import parse_pipeline
from imgsrv.imaging.process import process

BEFORE, AFTER = (64, 48), (16, 12)


def self_test(limits: Limits) -> None:
    """Process a picture.  Raises RuntimeError, or what the codecs raise, where the result is wrong."""
    drawn = io.BytesIO()
    Image.new("RGB", BEFORE, "orange").save(drawn, "JPEG")
    result = process(drawn.getvalue(), parse_pipeline("resize:width=16/blur:sigma=1"), Output(), limits)
    with Image.open(io.BytesIO(result)) as picture:
        if picture.size != AFTER:
            raise RuntimeError(f"the self-test picture came out as {picture.size}")
