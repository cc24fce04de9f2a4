"""The memory of one picture is kept for the next, unless it is much."""

from __future__ import annotations

import ctypes
import io
import subprocess
import sys

import pytest
from pictures import sample

BEGIN = """
import resource
from imgsrv.imaging.prepare import prepare_process
prepare_process()
from imgsrv import process
from imgsrv.imaging.memory.malloc import hand_back
import psutil
"""


def printed(code: str, data: bytes) -> int:
    """The number that a process of its own prints, as small as a worker is."""
    program = f"{BEGIN}\ndata = {data!r}\n{code}"
    done = subprocess.run([sys.executable, "-"], input=program, capture_output=True, text=True, check=True)
    return int(done.stdout)


def saved(size: tuple[int, int], mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    sample("chelsea.png").convert(mode).resize(size).save(file, "PNG", compress_level=1)
    return file.getvalue()


def test_a_second_picture_of_the_same_size_reuses_memory_without_page_faults() -> None:
    code = """
faults = []
for _ in range(6):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    process(data, "resize:width=300")
    hand_back()
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(min(faults))
"""
    # Of 1900 pages for the pixels alone.
    assert printed(code, saved((1600, 1200), "RGBA")) < 200


def test_after_a_job_with_large_results_a_process_has_little_more_than_before() -> None:
    code = """
process(data, "resize:width=100/blur:sigma=2")
before = psutil.Process().memory_info().rss
process(data, "resize:width=8000,height=8000,fit=fill,enlarge=true/blur:sigma=2/resize:width=100")
hand_back()
print((psutil.Process().memory_info().rss - before) >> 20)
"""
    # One frame is 192 MB.
    assert printed(code, saved((16, 16))) < 100


def test_a_process_without_work_has_little_more_than_before_also_if_a_thread_worked() -> None:
    code = """
import threading
from imgsrv.imaging.memory.malloc import let_go

def work(pipeline):
    thread = threading.Thread(target=process, args=(data, pipeline))
    thread.start()
    thread.join()

work("resize:width=100/blur:sigma=2")
let_go()
before = psutil.Process().memory_info().rss
work("resize:width=2000,height=1500,fit=fill,enlarge=true/blur:sigma=2/resize:width=100")
let_go()
print((psutil.Process().memory_info().rss - before) >> 20)
"""
    # One frame is 12 MB, and three of them were there at once.
    assert printed(code, saved((16, 16))) < 10


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="this C library cannot count freed blocks")
def test_no_freed_block_waits_for_another_thread_to_join_it_with_its_neighbours() -> None:
    code = """
import ctypes

class Mallinfo2(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
                "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.mallinfo2.restype = ctypes.c_void_p, Mallinfo2
blocks = [libc.malloc(48) for _ in range(10_000)]
for block in blocks:
    libc.free(ctypes.c_void_p(block))
print(libc.mallinfo2().smblks)
"""
    assert printed(code, b"") == 0
