"""The limit that a server is held against: plain processes that run the same pipeline in a loop."""

from __future__ import annotations

import os
import struct
import time

from imgsrv.imaging.limits import Limits
from imgsrv.imaging.output import Output
from imgsrv.imaging.pipeline import parse_pipeline
from imgsrv.imaging.process import process

RATE = struct.Struct("d")


def looped_rate(picture: bytes, pipeline: str, processes: int, seconds: float, output: Output | None = None) -> float:
    """Pictures per second of `processes` forked loops together."""
    read_end, write_end = os.pipe()
    end = time.monotonic() + seconds
    children = []
    for _ in range(processes):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.write(write_end, RATE.pack(_loop(picture, pipeline, output or Output(), end)))
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


def _loop(picture: bytes, text: str, output: Output, end: float) -> float:
    pipeline, limits = parse_pipeline(text), Limits()
    # The first fills caches and copies what the fork shares.
    process(picture, pipeline, output, limits)
    began, count = time.monotonic(), 0
    while count == 0 or time.monotonic() < end:
        process(picture, pipeline, output, limits)
        count += 1
    return count / (time.monotonic() - began)
