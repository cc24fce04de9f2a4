"""Compare the decoder of `native/` with libjpeg-turbo on many made and broken JPEGs, and print what came of it.

    python tests/fuzz/jpeg_planes.py --made 5000             whole JPEGs of every kind, which have to be taken
    python tests/fuzz/jpeg_planes.py --broken 1000000        mutated ones: taken and equal, or refused
    python tests/fuzz/jpeg_planes.py --broken 1000 --seed 2  others

A fault is printed with the JPEG, in base64, as soon as it is found.
"""

from __future__ import annotations

import argparse
import base64
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from made import native_jpeg  # noqa: E402
from made.jpegs import any_jpeg, near, seeded  # noqa: E402

from imgsrv.imaging.codecs.native.interface import TRAILING_ALLOWED  # noqa: E402

SEEDS = 400

MOST_TIMES = 3
"""A refusal or a result takes at most so many times as long as libjpeg-turbo's."""

LEAST_S = 0.001
"""Shorter times are not compared."""


def made(random: Random, count: int) -> Iterator[bytes]:
    """Whole JPEGs, some of them large."""
    for number in range(count):
        yield any_jpeg(random, 300 if number % 20 == 0 else 40, progressive=random.random() < PROGRESSIVE)


PROGRESSIVE = 0.4


def broken(random: Random, count: int) -> Iterator[bytes]:
    """Mutated JPEGs."""
    seeds = [any_jpeg(random, 40, progressive=random.random() < PROGRESSIVE) for _ in range(SEEDS)]
    for _ in range(count):
        yield near(random.choice(seeds), random.choice(seeds), random)


def seconds(call: Callable[[], object]) -> float:
    """The least processor time of three calls."""
    times = []
    for _ in range(3):
        before = time.thread_time()
        call()
        times.append(time.thread_time() - before)
    return min(times)


def slow(data: bytes) -> str:
    """What takes too long, or nothing."""
    before = time.thread_time()
    native_jpeg.decode(data, 4, flags=TRAILING_ALLOWED)
    if time.thread_time() - before < LEAST_S:
        return ""
    ours = seconds(lambda: native_jpeg.decode(data, 4, flags=TRAILING_ALLOWED))
    theirs = seconds(lambda: native_jpeg.reference(data, 4))
    return (
        f"{ours * 1000:.1f} ms, and libjpeg-turbo {theirs * 1000:.1f} ms"
        if ours > max(LEAST_S, MOST_TIMES * theirs)
        else ""
    )


def compare(files: Iterator[bytes], *, have_to_be_taken: bool, note_every: int) -> int:
    """Compare each file; give the number of faults."""
    reasons: Counter[str] = Counter()
    faults, both, partly, number = 0, 0, 0, 0
    started = time.monotonic()
    for number, data in enumerate(files, 1):
        verdict = native_jpeg.judge(data)
        reasons[verdict.reasons[4]] += 1
        both += verdict.is_read_by_both
        partly += verdict.is_partly_read
        fault = verdict.fault or slow(data)
        if have_to_be_taken and set(verdict.reasons.values()) != {"done"}:
            fault = fault or f"refused: {verdict.reasons}"
        if fault:
            faults += 1
            print(f"{fault}\n{base64.b64encode(data).decode()}", flush=True)
        if number % note_every == 0:
            print(
                f"{number:,} in {time.monotonic() - started:.0f} s, {both:,} read by both, {faults} faults", flush=True
            )
    print(f"{number:,} files, {both:,} read by both, {faults} faults")
    print(f"{partly:,} with a fault in a scan that a small size does not need; at 1/2: {dict(reasons.most_common())}")
    return faults


def main() -> int:
    """Do what the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--made", type=int, default=0, help="whole JPEGs")
    parser.add_argument("--broken", type=int, default=0, help="mutated JPEGs")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    random = seeded(given.seed)
    faults = compare(made(random, given.made), have_to_be_taken=True, note_every=1000) if given.made else 0
    faults += compare(broken(random, given.broken), have_to_be_taken=False, note_every=10000) if given.broken else 0
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
