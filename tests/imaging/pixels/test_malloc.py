"""The memory of one picture is kept for the next."""

from __future__ import annotations

import io
import resource

from pictures import sample

from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.pipelines.pipeline import parse_pipeline
from imgsrv.imaging.pixels.malloc import hand_back
from imgsrv.imaging.process import process


def test_a_second_picture_of_the_same_size_reuses_memory_without_page_faults() -> None:
    file = io.BytesIO()
    sample("chelsea.png").convert("RGBA").resize((1600, 1200)).save(file, "PNG", compress_level=1)
    pipeline, output, limits = parse_pipeline("resize:width=300"), Output(), Limits()
    faults = []
    for _ in range(6):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        process(file.getvalue(), pipeline, output, limits)
        hand_back(1600 * 1200)
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    # Of 1900 pages for the pixels alone.
    assert min(faults) < 200
