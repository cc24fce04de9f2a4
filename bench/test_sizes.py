"""How many small and large pictures a second does the server make, and what share of the cores' capacity is that?"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass

import pytest
from looping import looped_rate
from pace import Pace
from PIL import Image
from report import PHOTOS, Report
from serving import serving

from imgsrv.loadtest.closed_loop import always, crowd
from imgsrv.loadtest.conversation import posted
from imgsrv.loadtest.open_loop import percentile

CORES = len(os.sched_getaffinity(0))
CONNECTIONS = 8
ROUNDS, SECONDS = 5, 1.3

THUMBNAIL = (320, 261)
"""Of a JPEG of 20 KB."""


@dataclass(frozen=True)
class Size:
    """A picture, made or found, and the width that it is reduced to."""

    test_id: str
    photo: str
    width: int
    reduced_to: tuple[int, int] | None = None


SIZES = (
    Size("small", "street-6mp.jpg", 160, THUMBNAIL),
    Size("6mp", "street-6mp.jpg", 720),
    Size("14mp", "portrait-14mp-orientation8-icc.jpg", 1200),
    Size("22mp", "landscape-22mp-icc.jpg", 1200),
)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: size.test_id)
def test_pictures_of_a_size(size: Size, report: Report, pace: Pace) -> None:
    body = _body(size)
    with Image.open(io.BytesIO(body)) as image:
        megapixels = image.width * image.height / 1e6
    pipeline, request = f"resize:width={size.width}", posted(f"/resize?width={size.width}", body)
    rates, shares, latencies_ms = [], [], []
    with serving("--workers", str(CORES), "--no-access-log") as server, crowd(server.port, CONNECTIONS) as many:
        many.load(always(request), 0.3)
        for _ in range(pace.rounds(ROUNDS)):
            seconds = pace.seconds(SECONDS)
            limit = looped_rate([body], pipeline, CORES, seconds)
            load = many.load(always(request), seconds, least=CONNECTIONS).checked()
            rates.append(load.rate)
            shares.append(load.rate / limit)
            latencies_ms += [1000 * latency_s for latency_s in load.latencies_s]
    report.record(
        "size",
        name=f"{megapixels:.2g} megapixels, {len(body) / 1000:.0f} kB, JPEG → {size.width} wide",
        megapixels=megapixels,
        rates=rates,
        shares=shares,
        p50_ms=percentile(latencies_ms, 50),
        p99_ms=percentile(latencies_ms, 99),
    )


def _body(size: Size) -> bytes:
    file = PHOTOS / size.photo
    if not file.exists():
        pytest.skip(f"{size.photo} is not part of the project; put it into ../shared/corpus/photos")
    if size.reduced_to is None:
        return file.read_bytes()
    made = io.BytesIO()
    with Image.open(file) as image:
        image.resize(size.reduced_to, Image.Resampling.LANCZOS).save(made, "JPEG", quality=85)
    return made.getvalue()
