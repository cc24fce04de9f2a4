"""A real HAProxy with the configuration of deploy/haproxy.cfg, in front of servers of a test."""

from __future__ import annotations

import contextlib
import csv
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from servers.ports import free_port, listens
from serving import wait_until

PROGRAM = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin") or ""

CONFIGURATION = Path(__file__).parents[3] / "deploy" / "haproxy.cfg"


@dataclass(frozen=True)
class Behind:
    """A server behind it.  agent_port: where it answers the agent-check."""

    name: str
    host: str
    port: int
    agent_port: int


@dataclass(frozen=True)
class HAProxy:
    """A running one.  port: of 127.0.0.1.  control: its own socket."""

    port: int
    control: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def rows(self) -> dict[str, Mapping[str, str]]:
        """What it shows of each server, by its name; the fields are those of its page of statistics."""
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(10)
            asking.connect(str(self.control))
            asking.sendall(b"show stat\n")
            text = b"".join(iter(lambda: asking.recv(65_536), b"")).decode()
        rows = csv.DictReader(text.removeprefix("# ").splitlines())
        return {row["svname"]: row for row in rows if row["pxname"] == "machines"}


def configured(servers: Sequence[Behind], port: int, control: Path, changes: Mapping[str, str] | None = None) -> str:
    """The text of deploy/haproxy.cfg for these servers.  changes: what else is replaced, each text by another."""
    text = CONFIGURATION.read_text(encoding="utf-8")
    for old, new in {
        "/run/haproxy.sock": str(control),
        "bind :80\n": f"bind 127.0.0.1:{port}\n",
        " agent-port 8001": "",
        **(changes or {}),
    }.items():
        assert old in text, old
        text = text.replace(old, new)
    text, count = re.subn(r"^    server .*\n", "", text, flags=re.MULTILINE)
    assert count, "no server in deploy/haproxy.cfg"
    return text + "".join(
        f"    server {each.name} {each.host}:{each.port} agent-port {each.agent_port}\n" for each in servers
    )


@contextlib.contextmanager
def running_haproxy(
    folder: Path, servers: Sequence[Behind], changes: Mapping[str, str] | None = None
) -> Iterator[HAProxy]:
    """Run HAProxy during the block."""
    port, control = free_port(), folder / "haproxy.sock"
    file = folder / "haproxy.cfg"
    control.unlink(missing_ok=True)
    file.write_text(configured(servers, port, control, changes), encoding="utf-8")
    with (folder / "haproxy.log").open("wb") as log:
        process = subprocess.Popen([PROGRAM, "-db", "-f", str(file)], stdout=log, stderr=log)
    try:
        wait_until(lambda: (control.exists() and listens(port)) or process.poll() is not None, "HAProxy listens")
        assert process.poll() is None, (folder / "haproxy.log").read_text()
        yield HAProxy(port, control)
    finally:
        process.terminate()
        process.wait(20)
