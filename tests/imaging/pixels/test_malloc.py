"""Memory is kept from one picture to the next."""

from __future__ import annotations

import io
import resource

from pictures import sample

from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.pipelines.pipeline import parse_pipeline
from imgsrv.imaging.pixels.malloc import hand_back
from imgsrv.imaging.process import process


def test_a_picture_after_its_like_takes_its_memory_and_faults_in_no_pages() -> None:
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
