"""A lack of memory is the server's, whatever a library calls it: 503, not 422 and not 500."""

from __future__ import annotations

import errno

import cv2
import pytest

from imgsrv.errors import OutOfResources, Undecodable
from imgsrv.imaging.model.broken import PANIC, broken_is_ours
from imgsrv.shortages import needing

MORE_THAN_ANY_MACHINE_HAS = 1 << 60

Panic = type("PanicException", (BaseException,), {"__module__": PANIC})

OPENCV = "OpenCV(5.0.0) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 186650244 bytes"


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(MemoryError(), id="python-and-numpy"),
        pytest.param(cv2.error(OPENCV), id="opencv"),
        pytest.param(OSError(errno.ENOMEM, "Cannot allocate memory"), id="the-system"),
    ],
)
def test_work_that_lacks_memory_is_out_of_resources(error: Exception) -> None:
    with pytest.raises(OutOfResources), needing("the picture"):
        raise error


def test_another_fault_of_a_library_stays_a_fault() -> None:
    with pytest.raises(cv2.error), needing("the picture"):
        raise cv2.error("(-215:Assertion failed)")


@pytest.mark.parametrize(
    ("error", "needed"),
    [
        pytest.param(RuntimeError("Pixel allocation failed: Out of memory"), 0, id="libavif"),
        pytest.param(RuntimeError("Memory allocation error: Allocating 75040015 bytes failed"), 0, id="libheif"),
        pytest.param(OSError(errno.ENOMEM, "no room"), 0, id="the-system"),
        pytest.param(OSError("it is broken or truncated"), MORE_THAN_ANY_MACHINE_HAS, id="a-codec-that-names-none"),
        pytest.param(Panic("PyObject pointer is null"), MORE_THAN_ANY_MACHINE_HAS, id="a-panic-in-rust"),
    ],
)
def test_a_decoder_that_lacks_memory_does_not_blame_the_picture(error: BaseException, needed: int) -> None:
    with pytest.raises(MemoryError), broken_is_ours("avif", needed):
        raise error


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(OSError("it is broken or truncated"), id="of-pillow"),
        pytest.param(Panic("index out of bounds"), id="a-panic-in-rust"),
    ],
)
def test_a_broken_picture_is_still_blamed(error: BaseException) -> None:
    with pytest.raises(Undecodable), broken_is_ours("avif", 1000):
        raise error
