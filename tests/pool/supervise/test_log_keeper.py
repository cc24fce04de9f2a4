"""The log file of a running server is moved, rotated, compressed or refused while the server serves requests."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import resource
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import Server, serving, wait_until
from wire import PNG, Wire, post

from imgsrv.cli._control_client import ask as command
from imgsrv.errors import CommandFailed
from imgsrv.observe.log.rotation import Rotation, rotated_files
from imgsrv.observe.log.sink import LogFile
from imgsrv.pool.control.instances import Place
from imgsrv.pool.supervise.log_keeper import LogKeeper

pytestmark = pytest.mark.slow

CLIENTS, MOVES = 4, 3


def records(*files: Path) -> list[dict[str, Any]]:
    """The records of these files; each must be complete."""
    texts = [gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes() for file in files]
    return [json.loads(line) for line in b"".join(texts).splitlines()]


def ids(*files: Path) -> list[str]:
    return [record["request_id"] for record in records(*files) if record["event"] == "request"]


def ask(server: Server, name: str) -> None:
    with Wire(server) as wire:
        wire.send(f"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-Id: {name}\r\n\r\n".encode())
        assert wire.answer().status == 200


def lost(server: Server) -> float:
    with server.client() as client:
        (line,) = [
            line
            for line in client.get("/metrics").text.splitlines()
            if line.startswith("imgsrv_log_records_lost_total")
        ]
    return float(line.split()[1])


class Numbered(threading.Thread):
    """A client that sends numbered requests until it is stopped."""

    def __init__(self, server: Server, client: int) -> None:
        super().__init__(daemon=True)
        self._server, self._client, self.names, self.is_over = server, client, list[str](), threading.Event()

    def run(self) -> None:
        while not self.is_over.is_set():
            with Wire(self._server) as wire:
                self._use(wire)

    def _use(self, wire: Wire) -> None:
        """Send requests until the connection ends because the worker is replaced."""
        closes = False
        while not (closes or self.is_over.is_set()):
            name = f"{self._client}-{len(self.names)}"
            wire.send(f"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-Id: {name}\r\n\r\n".encode())
            answer = wire.answer()
            assert answer.status == 200
            closes = answer.closes
            self.names.append(name)


@contextlib.contextmanager
def numbered(server: Server) -> Iterator[list[Numbered]]:
    """Clients that send requests during the block; at its end they wait for their last answers."""
    clients = [Numbered(server, number) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        yield clients
    finally:
        for client in clients:
            client.is_over.set()
        for client in clients:
            client.join()


def move(path: Path, target: Path) -> None:
    """Move a log file that the server may be rotating; between its rename and its new file, the file does not exist."""

    def has_moved() -> bool:
        with contextlib.suppress(FileNotFoundError):
            path.rename(target)
        return target.exists()

    wait_until(has_moved, "the log file is moved")


def test_under_load_rotation_and_reload_lose_tear_and_duplicate_no_record(tmp_path: Path) -> None:
    path = tmp_path / "imgsrv.log"
    with serving("--workers=2", "--log-max-size=5000", "--log-keep=0", log_file=path) as server:
        moved = [tmp_path / f"moved-{number}" for number in range(MOVES)]
        with numbered(server) as clients:
            for count, target in enumerate(moved, 1):
                wait_until(lambda count=count: len(rotated_files(path)) >= count, "the server rotates")  # type: ignore[misc]
                # Somebody else does too, and says so.
                move(path, target)
                server.signal(signal.SIGUSR1)
                wait_until(path.exists, "the log file is there again")
            command(Place(server.folder, "default"), "reload", patience_s=60)
        # Not all: one is compressed every two seconds, and the reload lasts for many rotations.
        wait_until(lambda: any(file.suffix == ".gz" for file in rotated_files(path)), "a rotated file is compressed")
        server.stop()
    found = ids(*rotated_files(path), *moved, path)
    assert sorted(found) == sorted(name for client in clients for name in client.names)


def test_a_log_file_that_was_moved_without_notice_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "imgsrv.log"
    with serving("--workers=2", log_file=path) as server:
        path.rename(tmp_path / "moved")
        wait_until(path.exists, "the log file is there again")

        def all_have_it() -> bool:
            return all(path in open_files(pid) for pid in (server.pid, *server.workers()))

        wait_until(all_have_it, "every process writes to it")
        ask(server, "after")
        wait_until(lambda: ids(path) == ["after"], "the request is in it")


def open_files(pid: int) -> list[Path]:
    return [link.readlink() for link in Path(f"/proc/{pid}/fd").iterdir()]


def test_records_lost_by_a_deleted_folder_are_counted_and_logged(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    path = folder / "imgsrv.log"
    with serving("--workers=1", log_file=path) as server:
        shutil.rmtree(folder)
        wait_until(lambda: lost(server) >= 1, "a lost record is counted")
        folder.mkdir()
        wait_until(path.exists, "the log file is there again")
        wait_until(lambda: told(server, path) >= 1, "the loss is told")
        assert server.workers()


def told(server: Server, path: Path) -> int:
    ask(server, "more")
    return sum(record["count"] for record in records(path) if record["event"] == "log_records_lost")


def test_a_log_that_cannot_grow_stops_nothing(tmp_path: Path) -> None:
    path = tmp_path / "imgsrv.log"
    with serving("--workers=1", log_file=path) as server:
        (worker,) = server.workers()
        before = resource.prlimit(worker, resource.RLIMIT_FSIZE)
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (path.stat().st_size + 100, before[1]))
        for number in range(10):
            ask(server, f"lost-{number}")
        assert lost(server) >= 10
        resource.prlimit(worker, resource.RLIMIT_FSIZE, before)
        ask(server, "found")
        wait_until(lambda: "found" in ids(path), "it is written again")
        # The request for the metrics may be told of too: its record comes after its answer.
        assert [name for name in ids(path) if name.startswith("lost-")] == []
        (record,) = [record for record in records(path) if record["event"] == "log_records_lost"]
        assert record["count"] >= 10
        assert server.workers() == [worker]


def test_a_lack_of_memory_for_a_compression_does_not_end_the_master(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotated = tmp_path / "imgsrv.log.20261125-101500-000000"
    rotated.write_text("1\n")
    keeper = LogKeeper(LogFile(tmp_path / "imgsrv.log"), Rotation())
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-such-program"))
    keeper.tick([])
    assert rotated.read_text() == "1\n"


def test_workers_report_once_that_a_file_cannot_be_opened_and_once_that_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imgsrv.pool.supervise.log_keeper.LOOK_S", 0)
    told = list[int]()
    before = signal.signal(signal.SIGUSR1, lambda signum, _: told.append(signum))
    try:
        folder = tmp_path / "logs"
        folder.mkdir()
        keeper = LogKeeper(LogFile(folder / "imgsrv.log"))
        shutil.rmtree(folder)
        for _ in range(5):
            keeper.tick([os.getpid()])
        assert len(told) == 1
        folder.mkdir()
        for _ in range(5):
            keeper.tick([os.getpid()])
        assert len(told) == 2
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_caller_who_asks_to_open_the_log_again_gets_the_reason_why_it_fails(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    with serving("--workers=1", log_file=folder / "imgsrv.log") as server:
        folder.rename(tmp_path / "moved")
        with pytest.raises(CommandFailed, match=r"logs/imgsrv\.log cannot be opened: No such file or directory; until"):
            command(Place(server.folder, "default"), "reopen-logs")
        moved = tmp_path / "moved" / "imgsrv.log"
        wait_until(lambda: len(not_reopened(moved)) >= 2, "master and worker say so where they still log")
        folder.mkdir()
        assert "every process writes to" in command(Place(server.folder, "default"), "reopen-logs")


def not_reopened(path: Path) -> set[int | None]:
    return {record.get("pid") for record in records(path) if record["event"] == "log_not_reopened"}


def test_a_log_file_that_cannot_be_opened_is_reported_at_the_start(tmp_path: Path) -> None:
    server = Server(f"--log-file={tmp_path / 'no' / 'imgsrv.log'}")
    assert server.wait_exit() == 2
    assert "cannot write the log file" in server.other_lines[0]
    server.stop()


def test_a_slow_job_is_logged_with_its_request_pipeline_and_stages() -> None:
    with serving("--workers=1", "--slow-job-s=0.000001") as server:
        with Wire(server) as wire:
            wire.send(post("/flip", PNG, "X-Request-Id: a1b2"))
            assert wire.answer().status == 200
        wait_until(lambda: server.named("slow_job") != [], "the job is told of")
        (event,) = server.named("slow_job")
    assert (event["request_id"], event["pipeline"], event["level"]) == ("a1b2", "flip", "warning")
    assert event["seconds"] > 0
    assert {"decode_ms", "operations_ms", "encode_ms"} <= set(event)
