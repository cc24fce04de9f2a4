"""Crash reports: the job, its input and the stacks, in the log, in a report and in quarantine."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from descriptors import open_descriptors
from serving import Server, serving, wait_until
from wire import PNG, Wire, ask, is_flipped, post

from imgsrv.jobs.facts import plan_facts
from imgsrv.observe.crashes import Input, Keeping, keep_input, keep_report
from imgsrv.pool.worker.crashbox import LONGEST_FACT, MOST_LEFT, CrashBox, believable_facts

pytestmark = pytest.mark.slow

LARGE = "/pipeline?ops=resize:width=9000,enlarge=true/blur:sigma=2&format=jpeg"
"""Seconds of work for a small picture."""


@pytest.fixture
def box() -> Iterator[CrashBox]:
    made = CrashBox()
    yield made
    made.close()


@pytest.fixture
def body() -> Iterator[int]:
    file = os.memfd_create("body")
    os.write(file, b"pictureplan")
    yield file
    os.close(file)


# ---- the box ------------------------------------------------------------------------------------------


def test_the_crash_box_has_the_job_of_a_dead_process(box: CrashBox) -> None:
    pid = os.fork()
    if pid == 0:
        file = os.memfd_create("body")
        os.write(file, b"pictureplan")
        box.put(file, 7, 4)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    remains = box.open()
    assert remains.body is not None
    assert (remains.plan, os.pread(remains.body, 7, 0)) == (b"plan", b"picture")
    os.close(remains.body)


def test_a_job_that_was_looked_at_stays_in_the_crash_box(box: CrashBox, body: int) -> None:
    before = open_descriptors()
    box.put(body, 7, 4)
    assert [box.plan() for _ in range(3)] == [b"plan"] * 3
    assert open_descriptors() == before
    remains = box.open()
    assert remains.body is not None
    assert remains.plan == b"plan"
    os.close(remains.body)
    assert box.plan() == b""


def test_the_crash_box_does_not_have_a_finished_job(box: CrashBox, body: int) -> None:
    before = open_descriptors()
    for _ in range(1000):
        box.put(body, 7, 4)
        box.clear()
    assert box.open().body is None
    assert open_descriptors() == before


def test_only_few_copies_of_jobs_whose_codec_died_wait_for_the_master(box: CrashBox, body: int) -> None:
    before = open_descriptors()
    for number in range(100):
        box.leave(body, 7, 4, f"SIG{number}")
    found = []
    while (left := box.left()) is not None:
        remains, reason = left
        assert remains.body is not None
        found.append((remains.plan, os.pread(remains.body, 7, 0), reason))
        os.close(remains.body)

    assert found == [(b"plan", b"picture", f"SIG{number}") for number in range(MOST_LEFT)]
    assert open_descriptors() == before
    box.leave(body, 7, 4, "SIGSEGV")
    again = box.left()
    assert again is not None
    assert again[1] == "SIGSEGV"
    os.close(again[0].body or 0)


@pytest.mark.parametrize(
    "note", [b"x", struct.pack("<QQ", 2**64 - 1, 4), struct.pack("<QQ", 0, 2**63)], ids=["short", "far", "huge"]
)
def test_an_unreadable_note_does_not_end_its_reader(box: CrashBox, body: int, note: bytes) -> None:
    socket.send_fds(box._inside, [note], [body])
    remains = box.open()
    assert remains.body is not None
    assert remains.plan in (b"", b"pictureplan")
    os.close(remains.body)


@pytest.mark.parametrize("made", ["a pipe", "a file"])
def test_only_memory_files_in_the_crash_box_are_read(box: CrashBox, tmp_path: Path, made: str) -> None:
    if made == "a pipe":
        os.mkfifo(tmp_path / "x")
    else:
        (tmp_path / "x").write_text("plan")
    file = os.open(tmp_path / "x", os.O_RDWR)
    before = open_descriptors()
    box.put(file, 0, 4)
    assert (box.plan(), box.open().body, open_descriptors()) == (b"", None, before)
    os.close(file)


@pytest.mark.parametrize(
    "plan",
    [
        pytest.param(b"[" * 100_000, id="nested-without-end"),
        pytest.param(b'{"request_id": 1, "kind": "x", "pipeline": 1, "input": []}', id="too-short-a-list"),
        pytest.param(b"1", id="a-number"),
        pytest.param(b"\xff" * 100_000, id="no-text"),
    ],
)
def test_any_plan_gives_facts_that_fit_into_a_log_record(plan: bytes) -> None:
    facts = believable_facts(plan_facts, plan)
    assert 0 < len(json.dumps(facts)) <= 7 * LONGEST_FACT


def test_the_report_of_a_deadly_signal_has_the_stack(box: CrashBox) -> None:
    pid = os.fork()
    if pid == 0:
        box.watch_signals()
        os.kill(os.getpid(), signal.SIGSEGV)
    os.waitpid(pid, 0)
    assert "test_the_report_of_a_deadly_signal" in box.open().stack


# ---- what is kept -------------------------------------------------------------------------------------


def test_a_report_that_vanishes_while_reports_are_counted_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "crash-1.json").symlink_to(tmp_path / "gone")
    assert keep_report(Keeping(reports=tmp_path), {"slot": 1}) is not None


def test_an_input_is_kept_once_under_its_hash_and_only_its_owner_can_read_it(tmp_path: Path, body: int) -> None:
    keeping, found = Keeping(inputs=tmp_path, max_bytes=100), Input(body, 0, 7)
    for _ in range(2):
        path = keep_input(keeping, found, found.digest())
    assert path == tmp_path / f"{hashlib.sha256(b'picture').hexdigest()}.input"
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"picture", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_the_oldest_inputs_are_removed_when_the_limit_is_reached(tmp_path: Path, body: int) -> None:
    keeping = Keeping(inputs=tmp_path, max_bytes=25)
    for number in range(6):
        path = keep_input(keeping, Input(body, 0, 7), f"{number}")
        assert path is not None
        os.utime(path, (number, number))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["3.input", "4.input", "5.input"]


def test_an_input_that_is_too_large_is_not_kept(tmp_path: Path, body: int) -> None:
    assert keep_input(Keeping(inputs=tmp_path, max_bytes=6), Input(body, 0, 7), "x") is None
    assert list(tmp_path.iterdir()) == []


def test_the_last_hundred_reports_are_kept(tmp_path: Path) -> None:
    for number in range(105):
        keep_report(Keeping(reports=tmp_path), {"number": number})
    found = [json.loads(file.read_text())["number"] for file in sorted(tmp_path.iterdir())]
    assert found == list(range(5, 105))


# ---- a server -----------------------------------------------------------------------------------------


def begun(server: Server) -> float:
    with server.client() as client:
        lines = client.get("/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith("imgsrv_jobs_begun_total")).split()[1])


def has_closed(wire: Wire) -> bool:
    """The connection died with the worker."""
    try:
        return wire.socket.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize(
    ("signum", "has_stack"),
    [pytest.param(signal.SIGSEGV, True, id="a-crash"), pytest.param(signal.SIGKILL, False, id="a-kill")],
)
def test_a_crash_is_reported_even_if_front_and_engine_died_together(
    tmp_path: Path, signum: signal.Signals, *, has_stack: bool
) -> None:
    reports, inputs = tmp_path / "reports", tmp_path / "inputs"
    reports.mkdir()
    inputs.mkdir()
    with serving("--workers=1", f"--crash-dir={reports}", f"--quarantine={inputs}") as server:
        (worker,) = server.workers()
        with Wire(server) as wire:
            wire.send(post(LARGE, PNG, "X-Request-Id: a1b2"))
            wait_until(lambda: begun(server) == 1, "an engine works on it")
            os.kill(worker, signum)
            wire.socket.settimeout(20)
            assert has_closed(wire)
        wait_until(lambda: server.named("crash_report") != [], "the crash is told of")
        assert is_flipped(ask(server, post("/flip", PNG)))
        (event,) = server.named("crash_report")
    assert event["reason"] == f"killed by {signum.name}"
    assert (event["pid"], event["request_id"]) == (worker, "a1b2")
    assert event["pipeline"].startswith("resize:width=9000")
    assert (event["output"], event["input_format"], event["input_bytes"]) == ({"format": "jpeg"}, "png", len(PNG))
    assert event["sha256"] == hashlib.sha256(PNG).hexdigest()
    assert Path(event["quarantined"]).read_bytes() == PNG
    report = json.loads(Path(event["report"]).read_text())
    assert {name: report[name] for name in ("pipeline", "sha256", "reason")} == {
        name: event[name] for name in ("pipeline", "sha256", "reason")
    }
    assert ("perform" in event.get("stack", "")) == has_stack


def test_a_worker_that_dies_without_a_job_has_no_report(tmp_path: Path) -> None:
    with serving("--workers=1", f"--crash-dir={tmp_path}") as server:
        (worker,) = server.workers()
        assert is_flipped(ask(server, post("/flip", PNG)))
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: server.named("worker_exit") != [], "the death is told of")
        wait_until(lambda: len(server.named("worker_ready")) == 2, "another worker serves")
        assert server.named("crash_report") == []
    assert list(tmp_path.iterdir()) == []
