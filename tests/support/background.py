"""A server in the background for tests: started and used with the command line, and ended with the test."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from serving import DEADLINE_S, wait_until

from imgsrv.cli._control_client import ask, running
from imgsrv.pool.control.instances import Place

COMMAND_S = 150
"""Longest wait for a command of the command line."""


@dataclass
class Background:
    """The instances of one runtime folder.  folder: contains it and the logs."""

    folder: Path
    name: str = "default"
    processes: list[psutil.Process] = field(default_factory=list)

    def imgsrv(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the command line."""
        done = subprocess.run(
            [sys.executable, "-m", "imgsrv", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_S,
            cwd=self.folder,
            env={
                **os.environ,
                "IMGSRV_RUNTIME_DIR": str(self.folder / "run"),
                "XDG_STATE_HOME": str(self.folder / "state"),
                "PYTHONPATH": str(self.folder),
            },
        )
        self.note()
        return done

    def start(self, *flags: str) -> str:
        """Start an instance; return the output."""
        done = self.imgsrv("start", "--port", "0", *flags)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def told(self, *arguments: str) -> Any:
        """The result of a command."""
        return ask(Place(self.folder / "run", self.name), *arguments)

    def note(self) -> None:
        """Remember the processes that run now, so that `close` can end them."""
        for one in running(self.folder / "run").values():
            with contextlib.suppress(psutil.NoSuchProcess, KeyError):
                master = psutil.Process(one["pid"])
                self.processes += [master, *master.children(recursive=True)]

    @property
    def log(self) -> Path:
        """The default log file of the instance."""
        return self.folder / "state" / "imgsrv" / f"{self.name}.log"

    def events(self, name: str) -> list[dict[str, Any]]:
        """The events of that name in the log."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [event for event in map(json.loads, lines) if event["event"] == name]

    @property
    def port(self) -> int:
        """The port of the instance that was started last."""
        return int(self.events("serving")[-1]["port"])

    @property
    def master(self) -> psutil.Process:
        """The master of the instance that was started last."""
        return psutil.Process(self.events("serving")[-1]["pid"])

    def connect(self) -> socket.socket:
        """A plain TCP connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_S)

    def close(self) -> None:
        """End all processes, in any state."""
        self.note()
        for process in self.processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        wait_until(lambda: not any(lives(process) for process in self.processes), "every process is gone")


def lives(process: psutil.Process) -> bool:
    """True if the process runs; a zombie does not."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


@contextlib.contextmanager
def background(folder: Path) -> Iterator[Background]:
    """A folder for instances; the end of the block ends them."""
    (folder / "run").mkdir(mode=0o700)
    place = Background(folder)
    try:
        yield place
    finally:
        place.close()
