"""The scoreboard: one row for each worker, in memory that survives the fork."""

from __future__ import annotations

import ctypes
import faulthandler
import mmap
import os
import signal
import time
from collections.abc import Callable

import pytest

from imgsrv.errors import CODES
from imgsrv.observe.fields import BUCKETS_S, MASTER_FIELDS, WORKER_FIELDS
from imgsrv.observe.scoreboard import LARGEST, Board, now_us
from imgsrv.observe.totals import latency_of


def in_child(board: Board, slot: int) -> None:
    """Count in a child process, and wait for its end."""
    pid = os.fork()
    if pid == 0:
        row = board.row(slot)
        row.add("requests", 3)
        row.set("pid", os.getpid())
        os._exit(0)
    os.waitpid(pid, 0)


def test_the_parent_sees_what_a_child_counts() -> None:
    board = Board(2)
    in_child(board, 1)
    assert board.row(1)["requests"] == 3
    assert board.row(1)["pid"] != os.getpid()


def test_a_successor_continues_the_counts_of_the_dead_worker() -> None:
    board = Board(1)
    in_child(board, 0)
    in_child(board, 0)
    assert board.row(0)["requests"] == 6


def test_a_write_to_one_row_changes_no_other() -> None:
    board = Board(3)
    for field in (*WORKER_FIELDS, *MASTER_FIELDS):
        board.row(1).set(field, 2**64 - 1)
    assert [board.row(slot)[field] for slot in (0, 2) for field in (*WORKER_FIELDS, *MASTER_FIELDS)].count(
        0
    ) == 2 * len((*WORKER_FIELDS, *MASTER_FIELDS))


def test_a_full_cell_stays_full_and_counting_and_reading_go_on() -> None:
    board = Board(2)
    row = board.row(0)
    for field in (*WORKER_FIELDS, *MASTER_FIELDS):
        row.set(field, LARGEST)
        row.add(field)
    assert {row[field] for field in (*WORKER_FIELDS, *MASTER_FIELDS)} == {LARGEST}
    assert row.state is None
    assert board.add_counts(row, 1, {"requests": LARGEST})["requests"] == LARGEST
    assert (board.row(1)["requests"], board.row(1)["deaths"]) == (0, LARGEST)


def test_of_several_workers_whose_counts_are_added_the_slowest_request_stays_that_of_one() -> None:
    board, old = Board(1), Board(2)
    for index, seconds in enumerate((3.0, 2.0)):
        old.row(index).observe_request(seconds)
        board.add_counts(old.row(index), 0, {})
    assert (board.row(0)["slowest_us"], board.row(0)["request_us"]) == (3_000_000, 5_000_000)


def end_of(deed: Callable[[], object]) -> int:
    """How a child ends that does it: with 0, or by a signal."""
    pid = os.fork()
    if pid == 0:
        faulthandler.disable()
        deed()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize(
    ("row", "field", "end"),
    [
        pytest.param(1, "requests", 0, id="its-own-count"),
        pytest.param(0, "requests", -signal.SIGSEGV, id="the-count-of-a-sibling-before-it"),
        pytest.param(2, "requests", -signal.SIGSEGV, id="the-count-of-a-sibling-behind-it"),
        pytest.param(1, "is_stopping", -signal.SIGSEGV, id="what-the-master-says-of-it"),
    ],
)
def test_a_worker_can_write_the_workers_part_of_its_own_row_and_nothing_else(row: int, field: str, end: int) -> None:
    board = Board(3)

    def write() -> None:
        board.restrict(1)
        board.row(row).set(field, 7)

    assert end_of(write) == end
    assert board.row(row)[field] == (0 if end else 7)


def test_a_worker_cannot_take_the_right_to_write_back() -> None:
    board = Board(2)

    def unprotect() -> None:
        board.restrict(1)
        at = ctypes.addressof(ctypes.c_char.from_buffer(board._memory._map))
        status = ctypes.CDLL(None).mprotect(ctypes.c_void_p(at), mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_WRITE)
        os._exit(0 if status == -1 else 1)

    assert end_of(unprotect) == 0


def test_nobody_can_cut_the_memory_of_the_board_short() -> None:
    with pytest.raises(PermissionError):
        os.ftruncate(Board(2).dump()["file"], 0)


def test_the_next_image_opens_the_board_with_its_rows_and_counts() -> None:
    board = Board(2, spare=5)
    board.row(board.free_row({0, 1})).add("requests", 7)
    opened = Board.opened(board.dump())
    assert (opened.is_foreign, len([*opened.rows()]), opened.total("requests")) == (False, 3, 7)


def test_a_total_is_the_sum_over_all_rows() -> None:
    board = Board(3)
    for slot, row in enumerate(board.rows()):
        row.add("requests", slot + 1)
    assert board.total("requests") == 6


def test_processes_forked_earlier_see_a_row_that_is_opened_later() -> None:
    board = Board(1, spare=5)
    told, tell = os.pipe()
    answer, say = os.pipe()
    pid = os.fork()
    if pid == 0:
        board.restrict(0)
        os.read(told, 1)
        os.write(say, bytes([sum(1 for _ in board.rows()), board.total("requests")]))
        os._exit(0)
    index = board.free_row({0})
    board.row(index).add("requests", 7)
    os.write(tell, b"!")
    assert os.read(answer, 2) == bytes([2, 7])
    os.waitpid(pid, 0)
    for descriptor in (told, tell, answer, say):
        os.close(descriptor)


def test_free_rows_are_used_before_new_ones_and_a_lack_of_rows_is_an_error() -> None:
    board = Board(0, spare=2)
    assert [board.free_row(set()), board.free_row(set()), board.free_row({0})] == [0, 0, 1]
    with pytest.raises(OSError, match="all 2 rows"):
        board.free_row({0, 1})


def test_every_error_code_has_a_count() -> None:
    assert [code for code in CODES if f"error_{code}" not in WORKER_FIELDS] == []


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [
        pytest.param(0.0, 0, id="nothing"),
        pytest.param(BUCKETS_S[0], 0, id="exactly-the-first-bound"),
        pytest.param(BUCKETS_S[0] + 1e-6, 1, id="just-over-the-first-bound"),
        pytest.param(BUCKETS_S[-1], len(BUCKETS_S) - 1, id="exactly-the-last-bound"),
        pytest.param(1e6, len(BUCKETS_S), id="over-all-bounds"),
    ],
)
def test_a_request_is_counted_in_the_bucket_of_its_bound(seconds: float, bucket: int) -> None:
    row = Board(1).row(0)
    row.observe_request(seconds)
    assert [row[f"bucket_{index}"] for index in range(len(BUCKETS_S) + 1)].index(1) == bucket
    assert row["request_us"] == round(seconds * 1e6)


def test_times_are_those_of_the_monotonic_clock() -> None:
    before, now, after = time.monotonic(), now_us(), time.monotonic()
    assert before * 1e6 - 1 <= now <= after * 1e6 + 1


@pytest.mark.parametrize("seconds", [[0.001], [11.0], [0.02, 0.3], [45.0, 0.1]])
def test_no_percentile_is_above_the_slowest_request(seconds: list[float]) -> None:
    board = Board(2)
    for number, each in enumerate(seconds):
        board.row(number).observe_request(each)
    found = latency_of(board)
    assert found["p99"] is not None
    assert max(value for value in found.values() if value is not None) <= max(seconds)
    assert found["p99"] >= min(seconds)
