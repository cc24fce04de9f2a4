"""The memory of one picture is kept for the next, unless it is much."""

from __future__ import annotations

import io
import resource
import subprocess
import sys

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
        hand_back()
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    # Of 1900 pages for the pixels alone.
    assert min(faults) < 200


def test_after_a_job_with_large_results_a_process_has_little_more_than_before() -> None:
    file = io.BytesIO()
    sample("chelsea.png").resize((16, 16)).save(file, "PNG")
    child = f"""
from imgsrv.imaging.prepare import prepare_process
prepare_process()
from imgsrv import process
from imgsrv.imaging.pixels.malloc import hand_back
import psutil
data = {file.getvalue()!r}
process(data, "resize:width=100/blur:sigma=2")
before = psutil.Process().memory_info().rss
process(data, "resize:width=8000,height=8000,fit=fill,enlarge=true/blur:sigma=2/resize:width=100")
hand_back()
print((psutil.Process().memory_info().rss - before) >> 20)
"""
    done = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=True)
    # One frame is 192 MB.
    assert int(done.stdout) < 100
