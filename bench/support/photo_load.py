"""Requests for the photographs of the corpus, and what each takes beside its service."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import pytest
from report import PHOTOS

from imgsrv.loadtest.closed_loop import always, crowd
from imgsrv.loadtest.conversation import Request, posted


def photo_requests(path: str, names: str, below_bytes: int) -> list[Request]:
    """Requests for the photographs that are small enough.  Skips the test where there are none.

    names: a pattern of their files.
    """
    found = [file.read_bytes() for file in sorted(PHOTOS.glob(names)) if file.stat().st_size < below_bytes]
    if not found:
        pytest.skip("the corpus is not part of the project; put it into ../shared/corpus/photos")
    return [posted(path, photo) for photo in found]


def overheads_s(port: int, photos: Sequence[Request], seconds: float) -> dict[Request, float]:
    """Measure what a request of each picture takes beside its service, while nothing else is asked.

    seconds: how long each is asked for.
    """
    found = {}
    with crowd(port, 1) as one:
        for photo in photos:
            alone = one.load(always(photo), seconds, least=1).checked()
            found[photo] = statistics.median(
                latency_s - answer.worked_s for latency_s, answer in zip(alone.latencies_s, alone.answers, strict=True)
            )
    return found
