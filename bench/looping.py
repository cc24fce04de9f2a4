"""The limit that a server is held against: plain processes that run the same pipeline in a loop."""

from __future__ import annotations

import os
import struct
import time

from imgsrv.imaging.limits import Limits
from imgsrv.imaging.output import Output
from imgsrv.imaging.pipeline import parse_pipeline
from imgsrv.imaging.process import process


def looped_rate(picture: bytes, pipeline: str, processes: int, seconds: float) -> float:
    """Pictures per second of `processes` forked loops together."""
    read_end, write_end = os.pipe()
    started = time.monotonic()
    children = []
    for _ in range(processes):
        child = os.fork()
        if child == 0:
            os.write(write_end, struct.pack("I", _loop(picture, pipeline, started + seconds)))
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    elapsed = time.monotonic() - started
    counts = struct.unpack(f"{processes}I", os.read(read_end, 4 * processes))
    os.close(read_end)
    os.close(write_end)
    return float(sum(counts) / elapsed)


def _loop(picture: bytes, text: str, end: float) -> int:
    pipeline, output, limits = parse_pipeline(text), Output(), Limits()
    count = 0
    while time.monotonic() < end:
        process(picture, pipeline, output, limits)
        count += 1
    return count
