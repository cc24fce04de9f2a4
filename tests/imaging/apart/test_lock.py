"""Calls for which the interpreter's lock must be given up: a thread that ticks must hardly notice them."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from imgsrv.imaging.codecs.decode import DecodePlan, decode, read_header
from imgsrv.imaging.codecs.encode import encode
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.model.picture import Picture
from imgsrv.imaging.pixels.composite import Blend, composite
from imgsrv.imaging.prepare import prepare_process

# Only a process that is prepared for pictures keeps helpers.
prepare_process()

SIDE = 1500

MOST_SHARE = 0.5
"""A call that keeps the lock keeps all of its own processor time; one that gives it up keeps a few milliseconds."""

NOISE = Image.fromarray(np.random.default_rng(3).integers(0, 256, (SIDE, SIDE, 3), np.uint8))


def share_held(work: Callable[[], object]) -> float:
    """The longest part of a call's processor time in which no other thread could run."""
    clocks, used, began = list[int](), list[float](), threading.Event()

    def run() -> None:
        clocks.append(time.pthread_getcpuclockid(threading.get_ident()))
        began.wait()
        before = time.thread_time()
        work()
        used.append(time.thread_time() - before)
        ended.wait()

    ended, longest = threading.Event(), 0.0
    thread = threading.Thread(target=run)
    thread.start()
    while not clocks:
        time.sleep(0.001)
    last = time.clock_gettime(clocks[0])
    began.set()
    while not used:
        time.sleep(0.001)
        now = time.clock_gettime(clocks[0])
        longest, last = max(longest, now - last), now
    ended.set()
    thread.join()
    return longest / used[0]


def held(work: Callable[[], object]) -> float:
    """The least share of five tries: a wait for a core, while the other thread runs without the lock, adds to it."""
    work()
    return min(share_held(work) for _try in range(5))


@pytest.mark.parametrize(
    "output",
    [
        pytest.param(Output(format="jpeg", progressive=True), id="progressive"),
        pytest.param(Output(format="jpeg", effort=9), id="own tables"),
    ],
)
def test_a_jpeg_that_is_encoded_in_one_call_lets_other_threads_run(output: Output) -> None:
    assert held(lambda: encode(Picture((NOISE,), "png"), "jpeg", output, io.BytesIO())) < MOST_SHARE


def test_large_layers_are_composed_in_bands_with_the_lock_given_up_between_them() -> None:
    layer = Image.new("RGBA", (3000, 2000), (10, 20, 30, 100))
    assert held(lambda: composite(layer, layer)) < MOST_SHARE


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("blend", ["normal", "overlay"])
def test_bands_do_not_change_a_composition(mode: str, blend: Blend, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(4).integers(0, 256, (41, 30, 4), np.uint8)
    below, above = Image.fromarray(noise).convert(mode), Image.fromarray(noise[::-1].copy())
    whole = composite(below, above, blend)
    monkeypatch.setattr("imgsrv.imaging.pixels.strips.BAND_PIXELS", 100)
    assert np.array_equal(np.asarray(composite(below, above, blend)), np.asarray(whole))


def test_a_codec_that_keeps_the_lock_runs_elsewhere() -> None:
    """Here the engine only copies pixels, in pieces."""
    assert cpu_s(lambda: encode(Picture((NOISE,), "png"), "jp2", Output(format="jp2"), io.BytesIO())) < 0.1


def test_a_tiff_is_written_in_strips_with_the_lock_given_up() -> None:
    assert held(lambda: encode(Picture((NOISE,), "png"), "tiff", Output(format="tiff"), io.BytesIO())) < MOST_SHARE


def test_a_decoder_that_keeps_the_lock_runs_elsewhere() -> None:
    file = io.BytesIO()
    encode(Picture((NOISE,), "png"), "jp2", Output(format="jp2"), file)

    def read() -> None:
        decode(read_header(file.getvalue(), Limits()), DecodePlan(), Limits())

    assert cpu_s(read) < 0.1


def cpu_s(work: Callable[[], object]) -> float:
    """The processor time of this thread; of codecs that ran here it would be some 500 ms."""
    work()
    before = time.thread_time()
    work()
    return time.thread_time() - before
