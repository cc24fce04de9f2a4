"""The scoreboard: one row for each worker, shared over the fork."""

from __future__ import annotations

import os
import time

import pytest

from imgsrv.errors import CODES
from imgsrv.observe.scoreboard import BUCKETS_S, MASTER_FIELDS, WORKER_FIELDS, Board, now_us


def in_child(board: Board, slot: int) -> None:
    """Count in a process of its own, and wait for its end."""
    pid = os.fork()
    if pid == 0:
        row = board.row(slot)
        row.add("requests", 3)
        row.set("pid", os.getpid())
        os._exit(0)
    os.waitpid(pid, 0)


def test_what_a_child_counts_is_seen_by_its_parent() -> None:
    board = Board(2)
    in_child(board, 1)
    assert board.row(1)["requests"] == 3
    assert board.row(1)["pid"] != os.getpid()


def test_a_successor_goes_on_counting_where_the_dead_worker_stopped() -> None:
    board = Board(1)
    in_child(board, 0)
    in_child(board, 0)
    assert board.row(0)["requests"] == 6


def test_a_row_is_its_workers_alone() -> None:
    board = Board(3)
    for field in (*WORKER_FIELDS, *MASTER_FIELDS):
        board.row(1).set(field, 2**64 - 1)
    assert [board.row(slot)[field] for slot in (0, 2) for field in (*WORKER_FIELDS, *MASTER_FIELDS)].count(
        0
    ) == 2 * len((*WORKER_FIELDS, *MASTER_FIELDS))


def test_a_total_is_the_sum_over_all_rows() -> None:
    board = Board(3)
    for slot, row in enumerate(board.rows()):
        row.add("requests", slot + 1)
    assert board.total("requests") == 6


def test_a_row_that_is_opened_later_is_seen_by_processes_forked_before() -> None:
    board = Board(1, spare=5)
    told, tell = os.pipe()
    answer, say = os.pipe()
    pid = os.fork()
    if pid == 0:
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


def test_rows_are_used_again_before_new_ones_are_opened_and_run_out_with_an_error() -> None:
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
