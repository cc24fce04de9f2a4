"""The messages that systemd receives on its socket: states and watchdog; and no message blocks the server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import DEADLINE_S, Server, serving, wait_until

from imgsrv.errors import BadSetting
from imgsrv.server.notify import Notifier

pytestmark = pytest.mark.slow

STATES = ("READY", "RELOADING", "STOPPING")


class Systemd:
    """The receiver of NOTIFY_SOCKET."""

    def __init__(self, path: str) -> None:
        self.variable = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(DEADLINE_S)
        self._socket.bind("\0" + path[1:] if path.startswith("@") else path)

    def heard(self) -> dict[str, str]:
        """The next message."""
        return dict(line.split("=", 1) for line in self._socket.recv(4096).decode().splitlines())

    def heard_until(self, field: str) -> list[dict[str, str]]:
        """The messages up to one with that field."""
        heard = [self.heard()]
        while field not in heard[-1]:
            heard.append(self.heard())
        return heard

    def is_silent(self) -> bool:
        self._socket.setblocking(False)
        try:
            self._socket.recv(1)
        except BlockingIOError:
            return True
        finally:
            self._socket.settimeout(DEADLINE_S)
        return False

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["a-file", "an-abstract-name"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Systemd]:
    path = str(tmp_path / "notify") if request.param == "a-file" else f"@imgsrv-test-{os.getpid()}-{tmp_path.name}"
    found = Systemd(path)
    yield found
    found.close()


def test_a_server_reports_ready_watchdog_a_death_and_stopping(systemd: Systemd) -> None:
    environment = {"NOTIFY_SOCKET": systemd.variable, "WATCHDOG_USEC": "2000000"}
    with serving("--workers", "1", environment=environment) as server:
        ready = systemd.heard_until("READY")[-1]
        assert ready == {
            "READY": "1",
            "MAINPID": str(server.pid),
            "STATUS": f"serving on {server.url} with 1 workers",
        }
        assert systemd.heard_until("WATCHDOG")[-1] == {"WATCHDOG": "1"}
        os.kill(server.workers()[0], signal.SIGKILL)
        assert systemd.heard_until("STATUS")[-1]["STATUS"] == "worker 0 ended: killed by SIGKILL"
        server.signal(signal.SIGTERM)
        stopping = systemd.heard_until("STOPPING")[-1]
        assert stopping == {"STOPPING": "1", "STATUS": "finishing open requests"}
        assert server.wait_exit() == 0


@pytest.mark.parametrize("systemd", ["a-file"], indirect=True)
def test_a_reload_a_restart_and_a_stop_send_their_messages_in_order(systemd: Systemd) -> None:
    with serving("--workers", "1", environment={"NOTIFY_SOCKET": systemd.variable}) as server:
        heard = systemd.heard_until("READY")
        for verb in ("reload", "restart"):
            told = _operate(server, verb)
            heard += systemd.heard_until("READY")
            told.wait(DEADLINE_S)
        assert _operate(server, "stop").wait(DEADLINE_S) == 0
        assert server.wait_exit() == 0
        heard += systemd.heard_until("STOPPING")
    serves = f"serving on {server.url} with 1 workers"
    states = [(*(field for field in STATES if field in message), message["STATUS"]) for message in heard]
    assert [state for state in states if not state[-1].startswith("worker 0 ")] == [
        ("READY", serves),
        ("RELOADING", "reloading"),
        ("READY", "reloaded"),
        ("RELOADING", "restarting"),
        ("restarting: finishing open requests",),
        ("READY", serves.replace(str(server.port), str(server.named("serving")[-1]["port"]))),
        ("STOPPING", "finishing open requests"),
    ]
    assert {message["MAINPID"] for message in heard if "READY" in message} == {str(server.pid)}
    begun = [int(message["MONOTONIC_USEC"]) for message in heard if "RELOADING" in message]
    assert begun == sorted(begun)
    assert begun[-1] <= time.monotonic_ns() // 1000


@pytest.mark.parametrize("systemd", ["a-file"], indirect=True)
def test_a_stop_ends_a_restart_that_has_begun(systemd: Systemd) -> None:
    flags = ("--workers", "1", "--body-rate", "0", "--drain-s", "100")  # so that the held request lasts
    with serving(*flags, environment={"NOTIFY_SOCKET": systemd.variable}) as server:
        held = server.connect()
        held.sendall(b"POST /flip HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        server.front_of(held)
        restart = _operate(server, "restart")
        wait_until(lambda: server.named("stopping") != [], "the restart has passed its trial", 60)
        stop = _operate(server, "stop")
        wait_until(lambda: len(server.named("stopping")) == 2, "the stop is heard", 60)
        held.close()
        assert server.wait_exit(60) == 0
        assert stop.wait(DEADLINE_S) == 0
        restart.wait(DEADLINE_S)
        assert len(server.named("serving")) == 1


def _operate(server: Server, verb: str) -> subprocess.Popen[bytes]:
    """Run a command as ExecReload would run it, as root."""
    command = [sys.executable, "-m", "imgsrv", verb, "--runtime-dir", str(server.folder)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_a_watchdog_for_another_process_gets_no_message(tmp_path: Path) -> None:
    systemd = Systemd(str(tmp_path / "notify"))
    environment = {"NOTIFY_SOCKET": systemd.variable, "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}
    with serving("--workers", "1", environment=environment) as server:
        server.signal(signal.SIGTERM)
        heard = systemd.heard_until("STOPPING")
    assert [message for message in heard if "WATCHDOG" in message] == []
    systemd.close()


def test_watchdog_messages_come_twice_in_a_period_while_the_pool_is_healthy(systemd: Systemd) -> None:
    now = [0]
    notifier = Notifier(systemd.variable, 30.0, clock=lambda: now[0])
    sent = []
    for second in range(60):
        now[0] = second * 1_000_000_000
        notifier.turn(second < 40)
        if not systemd.is_silent():
            sent.append(second)
    notifier.close()
    assert sent == [0, 15, 30]


def test_a_reload_is_reported_with_its_time_and_ends_with_ready(systemd: Systemd) -> None:
    notifier = Notifier(systemd.variable)
    before = time.monotonic_ns() // 1000
    notifier.observe("reloading", {})
    told = systemd.heard()
    assert told["RELOADING"] == "1"
    assert before <= int(told["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    notifier.observe("reload_failed", {"reason": "no codec"})
    assert systemd.heard() == {"READY": "1", "MAINPID": str(os.getpid()), "STATUS": "reload failed: no codec"}
    notifier.close()


def test_a_missing_receiver_stops_nothing(tmp_path: Path) -> None:
    notifier = Notifier(str(tmp_path / "gone"))
    notifier.ready("serving")
    notifier.close()


def test_an_invalid_address_is_refused() -> None:
    with pytest.raises(BadSetting, match=r"NOTIFY_SOCKET=notify\.sock: it is neither a path nor begins with @"):
        Notifier("notify.sock")
