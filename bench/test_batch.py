"""What do four widths of one picture cost in a batch, compared with four separate requests?"""

from __future__ import annotations

import io
import time

import pytest
from pace import Pace
from report import Report

from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.process import process_into
from imgsrv.jobs.archive import Multipart
from imgsrv.jobs.batch import process_batch
from imgsrv.jobs.variants import variants_of_widths

ROUNDS = 7


@pytest.mark.parametrize("form", ["jpeg", "webp"])
def test_four_widths_against_four_requests(street: bytes, report: Report, pace: Pace, form: str) -> None:
    variants = variants_of_widths("320,640,960,1280", {"format": form})
    ratios = []
    for _ in range(pace.rounds(ROUNDS)):
        began = time.process_time()
        for variant in variants:
            process_into(io.BytesIO(), street, variant.pipeline, variant.output, Limits())
        between = time.process_time()
        process_batch(Multipart(), street, variants, Limits())
        ratios.append((time.process_time() - between) / (between - began))
    question = f"6 MP JPEG → {form} of 320, 640, 960 and 1280, batch against four requests"
    if form == "jpeg":
        # Of 14 and 22 megapixels it is 0.44 and 0.41; here more of the time is encoding, of which a batch spares none.
        report.judge_most(question, ratios, "×", at_most=0.5)
    else:
        # Encoding is most of it, and a batch spares none of that.
        report.note(question, ratios, "×")
