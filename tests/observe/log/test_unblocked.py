"""A log whose reader stops: nothing waits, what is lost is counted and reported, and nobody else's pipe changes."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from serving import DEADLINE_S, wait_until

from imgsrv.observe.log.sink import MOST_KEPT, Sink
from imgsrv.observe.log.unblocked import Writer, dropping_text, never_wait

RECORD = b"x" * 99 + b"\n"


@contextlib.contextmanager
def a_pipe() -> Iterator[tuple[int, int]]:
    """Its read end and its write end."""
    read_end, write_end = os.pipe()
    try:
        yield read_end, write_end
    finally:
        os.close(read_end)
        os.close(write_end)


@contextlib.contextmanager
def a_terminal() -> Iterator[tuple[int, int]]:
    """A terminal that nobody reads."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    try:
        yield master, slave
    finally:
        os.close(master)
        os.close(slave)


@contextlib.contextmanager
def a_socket() -> Iterator[tuple[int, int]]:
    """A stream, as the journal of systemd is."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours.fileno(), theirs.fileno()


def filled(put: Callable[[bytes], int]) -> int:
    """Write until there is no room; return the number of bytes.  Fails by its timeout if a write waits."""
    done = 0
    try:
        while done < 10_000_000:
            done += put(RECORD)
    except BlockingIOError:
        return done
    raise AssertionError("it is never full")


@pytest.mark.parametrize("made", [a_pipe, a_terminal, a_socket], ids=["pipe", "terminal", "socket"])
@pytest.mark.parametrize("has_its_own", [True, False], ids=["its-own-description", "a-shared-one"])
def test_a_write_to_what_nobody_reads_does_not_wait(
    made: Callable[[], contextlib.AbstractContextManager[tuple[int, int]]], *, has_its_own: bool
) -> None:
    with made() as (reader, shared):
        descriptor = os.dup(shared)
        if has_its_own:
            assert never_wait(descriptor)
        put = Writer(descriptor)
        done = filled(put)
        # What others share still waits.
        assert os.get_blocking(shared)
        while done:
            done -= len(os.read(reader, done))
        assert put(RECORD) == len(RECORD)
        os.close(descriptor)


def test_a_kernel_that_knows_no_write_that_does_not_wait_is_asked_whether_there_is_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unsupported(*_: object) -> int:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "pwritev", unsupported)
    with a_pipe() as (_reader, shared):
        assert filled(Writer(shared)) > 0


def test_two_processes_at_a_pipe_without_room_both_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object) -> int:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "pwritev", unsupported)
    with a_pipe() as (_reader, shared):
        put = Writer(shared)
        put(RECORD)
        pids = []
        for _ in range(4):
            pid = os.fork()
            if pid == 0:
                signal.alarm(int(DEADLINE_S))
                for _ in range(5000):
                    with contextlib.suppress(BlockingIOError):
                        put(RECORD)
                os._exit(0)
            pids.append(pid)
        assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 4


def test_records_without_room_are_kept_up_to_a_bound_and_written_whole_and_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with a_pipe() as (reader, shared):
        never_wait(shared)
        monkeypatch.setattr("imgsrv.observe.log.sink.STANDARD_ERROR", shared)
        sink, lost = Sink(lambda count: f"lost {count}\n"), list[int]()
        sink.count_lost_with(lost.append)
        records = ["l" * 200_000 + "\n", *(f"{number:099}\n" for number in range(3 * MOST_KEPT // 100))]
        for record in records:
            sink.write(record)
        got = b""
        while b"end\n" not in got:
            got += os.read(reader, 1 << 20)
            sink.flush()
            if sum(lost) and got.count(b"\n") >= len(records) - sum(lost):
                sink.write("end\n")
        kept = "".join(records[: len(records) - sum(lost)])
        assert got.decode() == f"{kept}lost {sum(lost)}\nend\n"
        assert sum(lost) > 100


def test_what_a_library_prints_on_a_full_pipe_is_dropped() -> None:
    with a_pipe() as (reader, shared):
        stream = dropping_text(shared)
        for _ in range(10_000):
            print("x" * 99, file=stream)
        stream.flush()
        assert len(os.read(reader, 1 << 20)) >= 4096


# ---- a server -------------------------------------------------------------------------------------------


SERVE = (sys.executable, "-m", "imgsrv", "serve", "--port=0", "--workers=1")


@contextlib.contextmanager
def started(tmp_path: Path, *flags: str, **streams: int) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([*SERVE, *flags], env={**os.environ, "IMGSRV_RUNTIME_DIR": str(tmp_path)}, **streams)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.kill()
        process.wait(DEADLINE_S)


def ask(port: int, path: str) -> bytes:
    """The answer to a request, on a connection of its own."""
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: client.recv(65536), b""))


def lost_records(port: int) -> float:
    lines = ask(port, "/metrics").decode().splitlines()
    return float(next(line for line in lines if line.startswith("imgsrv_log_records_lost_total")).split()[1])


@pytest.mark.slow
def test_a_log_that_nobody_reads_stops_neither_the_requests_nor_the_end(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as log, started(tmp_path, "--log-format=json", stderr=write_end) as process:
        os.close(write_end)
        serving = next(event for event in map(json.loads, log) if event["event"] == "serving")
        for _ in range(1000):
            assert ask(serving["port"], "/healthz").startswith(b"HTTP/1.1 200 ")
        assert lost_records(serving["port"]) > 100

        # The reader goes on, and hears how many records it has missed.
        events = list[dict[str, object]]()
        reader = threading.Thread(target=lambda: events.extend(map(json.loads, log)))
        reader.start()
        wait_until(lambda: ask(serving["port"], "/healthz") != b"" and _named(events), "it is told", DEADLINE_S)
        before = lost_records(serving["port"])
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0
        reader.join(DEADLINE_S)
    assert sum(int(str(event["count"])) for event in events if event["event"] == "log_records_lost") >= before


def _named(events: list[dict[str, object]]) -> bool:
    return any(event["event"] == "log_records_lost" for event in list(events))


@pytest.mark.slow
def test_a_log_that_nobody_has_ever_read_does_not_keep_a_server_from_its_end(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    filled(lambda data: os.write(write_end, data))
    os.set_blocking(write_end, True)
    (tmp_path / "run").mkdir(mode=0o700)
    with started(tmp_path / "run", f"--host=unix:{tmp_path / 's'}", stderr=write_end) as process:
        wait_until((tmp_path / "s").exists, "it listens")
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) in (0, -signal.SIGTERM)
    os.close(read_end)
    os.close(write_end)


@pytest.mark.slow
@pytest.mark.parametrize("way", [">/dev/full", ">&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_a_server_serves_whatever_its_standard_output_and_error_are(tmp_path: Path, way: str) -> None:
    (tmp_path / "run").mkdir(mode=0o700)
    log = tmp_path / "imgsrv.log"
    command = " ".join((*SERVE, f"--log-file={log}", "--log-format=text", "--access-log"))
    process = subprocess.Popen(
        ["/bin/sh", "-c", f"exec {command} {way}"], env={**os.environ, "IMGSRV_RUNTIME_DIR": str(tmp_path / "run")}
    )
    try:
        wait_until(lambda: log.exists() and "serving" in log.read_text(), "it serves")
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0
    finally:
        process.kill()
        process.wait()
