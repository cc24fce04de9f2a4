"""The limit that a server is compared with: plain processes that run the same pipeline in a loop."""

from __future__ import annotations

import os
import statistics
import struct
import time
from collections.abc import Sequence
from itertools import cycle

from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.pipelines.pipeline import parse_pipeline
from imgsrv.imaging.process import process

RATE = struct.Struct("d")


def looped_rate(
    pictures: Sequence[bytes], pipeline: str, processes: int, seconds: float, output: Output | None = None
) -> float:
    """Pictures per second of `processes` forked loops together, which take one picture after another.

    Each picture counts alike, wherever in their turn the time ends.
    """
    read_end, write_end = os.pipe()
    end = time.monotonic() + seconds
    children = []
    for _ in range(processes):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.write(write_end, RATE.pack(_loop(pictures, pipeline, output or Output(), end)))
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    statuses = [os.waitpid(child, 0)[1] for child in children]
    assert not any(statuses), f"looping processes ended with {statuses}"
    rates = RATE.iter_unpack(os.read(read_end, RATE.size * processes))
    os.close(read_end)
    os.close(write_end)
    return float(sum(rate for (rate,) in rates))


def _loop(pictures: Sequence[bytes], text: str, output: Output, end: float) -> float:
    pipeline, limits = parse_pipeline(text), Limits()
    # The first fills caches and copies what the fork shares.
    process(pictures[0], pipeline, output, limits)
    taken_s: list[list[float]] = [[] for _ in pictures]
    now = time.monotonic()
    for number in cycle(range(len(pictures))):
        process(pictures[number], pipeline, output, limits)
        began, now = now, time.monotonic()
        taken_s[number].append(now - began)
        if now >= end and taken_s[-1]:
            break
    return len(pictures) / sum(statistics.fmean(each) for each in taken_s)
