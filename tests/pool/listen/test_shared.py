"""One socket for the whole pool: a unix socket's file is made, replaced and removed with care; systemd's is kept."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from load import loading
from serving import DEADLINE_S, Server, serving, wait_until
from wire import Wire, head

from imgsrv.cli._control_client import ask as command
from imgsrv.errors import BadArgument, CannotListen, CommandFailed
from imgsrv.pool.control.instances import Place
from imgsrv.pool.listen.unix import Owner, UnixListener
from imgsrv.pool.worker.identity import Identity, identity

pytestmark = pytest.mark.slow

HAND_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS=sys.argv[2], LISTEN_PID=str(os.getpid()))
os.execv(sys.executable, [sys.executable, "-m", "imgsrv", *sys.argv[3:]])
"""
"""What systemd does before it runs a service with a socket."""


class UnixServer(Server):
    """A server on a unix socket."""

    def __init__(self, path: Path, *flags: str, **options: Any) -> None:
        super().__init__("--host", f"unix:{path}", *flags, **options)
        self._path = path

    def connect(self) -> socket.socket:
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(DEADLINE_S)
        try:
            made.connect(str(self._path))
        except OSError:
            made.close()
            raise
        return made


@contextlib.contextmanager
def unix_serving(path: Path, *flags: str, **options: Any) -> Iterator[UnixServer]:
    server = UnixServer(path, *flags, **options)
    try:
        server.wait_ready()
        yield server
    finally:
        server.stop()


def listening(path: Path, **owner: Any) -> UnixListener:
    return UnixListener(path, 16, Owner(**owner))


# ---- the file ---------------------------------------------------------------------------------------------


def test_the_socket_has_the_mode_that_was_asked_for(tmp_path: Path) -> None:
    with listening(tmp_path / "s", mode=0o620) as listener:
        assert (tmp_path / "s").stat().st_mode & 0o777 == 0o620
        assert listener.url == f"unix:{tmp_path}/s"
    assert not (tmp_path / "s").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a file away")
def test_the_socket_gets_the_group_that_was_asked_for(tmp_path: Path) -> None:
    with listening(tmp_path / "s", group=65_534):
        assert (tmp_path / "s").stat().st_gid == 65_534


def test_a_socket_that_a_killed_server_left_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "s"))
    with listening(tmp_path / "s"), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "s"))


def test_a_socket_on_which_another_process_listens_is_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as foreign:
        foreign.bind(str(tmp_path / "s"))
        foreign.listen()
        with pytest.raises(CannotListen, match="another process already listens there"):
            listening(tmp_path / "s")
    assert (tmp_path / "s").exists()


def test_a_second_server_on_the_socket_is_refused_even_when_its_file_is_gone(tmp_path: Path) -> None:
    with listening(tmp_path / "s") as first:
        first.leave()
        with pytest.raises(CannotListen, match="another imgsrv already serves this socket"):
            listening(tmp_path / "s")


def test_two_servers_whose_long_paths_begin_the_same_are_two(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * (104 - len(os.fsencode(tmp_path))))
    folder.mkdir()
    with listening(folder / "1"), listening(folder / "2"):
        assert sorted(file.name for file in folder.iterdir()) == ["1", "1.lock", "2", "2.lock"]
    assert list(folder.iterdir()) == []


def test_a_lock_without_a_holder_keeps_nobody_from_listening(tmp_path: Path) -> None:
    (tmp_path / "s.lock").touch()
    with listening(tmp_path / "s") as listener:
        assert listener.url == f"unix:{tmp_path}/s"


def test_a_name_in_the_kernel_that_anybody_can_have_keeps_nobody_from_listening(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as squatter:
        squatter.bind(f"\0imgsrv:{tmp_path}/s"[:108])
        with listening(tmp_path / "s") as listener:
            assert listener.url == f"unix:{tmp_path}/s"


def test_a_socket_that_cannot_be_given_away_is_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chown", refuse)
    with pytest.raises(CannotListen, match="Operation not permitted"):
        listening(tmp_path / "s")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_socket_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("letters", encoding="utf-8")
    with pytest.raises(CannotListen, match="the file is no socket, so it is not replaced"):
        listening(tmp_path / "s")
    assert (tmp_path / "s").read_text(encoding="utf-8") == "letters"


def test_a_socket_that_another_server_has_made_since_is_not_removed(tmp_path: Path) -> None:
    with listening(tmp_path / "s"):
        (tmp_path / "s").unlink()
        (tmp_path / "s").touch()
    assert (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        pytest.param("x" * 120, "bytes and may have 107; choose a shorter --host", id="too-long"),
        pytest.param("no/such/folder", "No such file or directory", id="no-folder"),
    ],
)
def test_a_path_that_cannot_be_bound_is_refused_and_leaves_no_descriptor(
    tmp_path: Path, path: str, reason: str
) -> None:
    before = psutil.Process().num_fds()
    with pytest.raises(CannotListen, match=reason):
        listening(tmp_path / path)
    assert psutil.Process().num_fds() == before


# ---- serving ----------------------------------------------------------------------------------------------


def test_all_workers_accept_from_the_one_socket(tmp_path: Path) -> None:
    with unix_serving(tmp_path / "s", "--workers", "2") as server:
        with loading(server, keep_alive=4, fresh=4) as load:
            # Which of them is the first to wake is the kernel's choice.
            wait_until(lambda: len({event["pid"] for event in server.named("request")}) == 2, "both have served")
        assert load.failures == []
        assert {event["client"] for event in server.named("request")} == {"unix"}


def test_a_stop_under_load_answers_every_request_over_a_unix_socket(tmp_path: Path) -> None:
    with unix_serving(tmp_path / "s", "--workers", "2") as server, loading(server, keep_alive=4, fresh=4) as load:
        load.wait_more(5)
        server.signal(signal.SIGTERM)
        load.join()
        assert server.wait_exit() == 0
        assert load.failures == []
        assert not (tmp_path / "s").exists()


def reload_under_load(server: Server) -> None:
    """Take every worker's place while clients come and go; none of them notices."""
    pids = set(server.workers())
    with loading(server, keep_alive=2, fresh=2) as load:
        load.wait_more(1)
        command(Place(server.folder, "default"), "reload", patience_s=60)
        load.wait_more(1)
    assert load.failures == []
    wait_until(lambda: pids.isdisjoint(server.workers()), "the old ones go")


def test_a_reload_on_a_unix_socket_loses_no_request_and_keeps_its_file(tmp_path: Path) -> None:
    with unix_serving(tmp_path / "s", "--workers", "2") as server:
        file = (tmp_path / "s").stat().st_ino
        reload_under_load(server)
        assert (tmp_path / "s").stat().st_ino == file
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0
        assert not (tmp_path / "s").exists()


def test_clients_still_come_over_a_unix_socket_during_the_shutdown_delay(tmp_path: Path) -> None:
    with unix_serving(tmp_path / "s", "--workers", "1", "--shutdown-delay-s", "1") as server:
        server.signal(signal.SIGTERM)
        wait_until(lambda: server.named("stopping") != [], "it stops")
        with Wire(server) as wire:
            wire.send(head("/readyz", method="GET"))
            assert wire.answer().status == 503
        assert server.wait_exit() == 0


# ---- a socket from systemd --------------------------------------------------------------------------------


@contextlib.contextmanager
def bound(family: socket.AddressFamily, address: Any) -> Iterator[socket.socket]:
    with socket.socket(family) as made:
        made.bind(address)
        made.listen(64)
        yield made


def activated(made: socket.socket, *flags: str, count: int = 1) -> Server:
    hand_over = [sys.executable, "-c", HAND_OVER, str(made.fileno()), str(count)]
    options: dict[str, Any] = {"program": hand_over, "descriptors": (made.fileno(),)}
    if made.family == socket.AF_UNIX:
        return UnixServer(Path(made.getsockname()), "--workers", "2", *flags, **options)
    return Server("--workers", "2", *flags, **options)


FAMILIES = pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX], ids=["tcp", "unix"])


def address_of(family: socket.AddressFamily, folder: Path) -> Any:
    return ("127.0.0.1", 0) if family == socket.AF_INET else str(folder / "s")


@FAMILIES
def test_a_new_server_on_a_socket_from_systemd_answers_who_came_in_between(
    tmp_path: Path, family: socket.AddressFamily
) -> None:
    with bound(family, address_of(family, tmp_path)) as made, contextlib.ExitStack() as clients:
        for _ in range(2):
            waiting = clients.enter_context(socket.socket(family))
            waiting.settimeout(DEADLINE_S)
            # Nobody accepts yet: the socket is systemd's and outlives every server on it.
            waiting.connect(made.getsockname())
            waiting.sendall(head("/healthz", method="GET"))
            server = activated(made)
            try:
                server.wait_ready()
                assert waiting.recv(100).startswith(b"HTTP/1.1 200")
                server.signal(signal.SIGTERM)
                assert server.wait_exit() == 0
            finally:
                server.stop()


@FAMILIES
def test_a_reload_on_a_socket_from_systemd_loses_no_request(tmp_path: Path, family: socket.AddressFamily) -> None:
    with bound(family, address_of(family, tmp_path)) as made:
        server = activated(made)
        try:
            server.wait_ready()
            before = psutil.Process(server.pid).num_fds()
            for _ in range(2):
                reload_under_load(server)
            wait_until(lambda: psutil.Process(server.pid).num_fds() == before, "it has as many descriptors as before")
        finally:
            server.stop()


@FAMILIES
def test_a_restart_on_a_socket_from_systemd_keeps_it_and_answers_who_waits(
    tmp_path: Path, family: socket.AddressFamily
) -> None:
    with bound(family, address_of(family, tmp_path)) as made:
        server = activated(made)
        try:
            server.wait_ready()
            command(Place(server.folder, "default"), "restart", patience_s=60)
            with Wire(server) as wire:
                wire.send(head("/healthz", method="GET"))
                assert wire.answer().status == 200
            wait_until(lambda: len(server.named("serving")) == 2, "it serves again")
        finally:
            server.stop()


def test_more_than_one_socket_from_systemd_is_refused(tmp_path: Path) -> None:
    with bound(socket.AF_UNIX, str(tmp_path / "s")) as made:
        server = activated(made, count=2)
        try:
            assert server.wait_exit() == 2
            assert "there are 2; give one ListenStream= to the .socket unit" in server.other_lines[-1]
        finally:
            server.stop()


def test_a_socket_from_systemd_that_does_not_listen_is_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "s"))
        server = activated(made)
        try:
            assert server.wait_exit() == 2
            assert "it does not listen for streams" in server.other_lines[-1]
        finally:
            server.stop()


# ---- user and group ---------------------------------------------------------------------------------------


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_workers_become_the_user_and_the_group_and_the_master_can_still_end_them(tmp_path: Path) -> None:
    nobody, group = pwd.getpwnam("nobody"), grp.getgrgid(pwd.getpwnam("nobody").pw_gid)
    tmp_path.chmod(0o755)
    with unix_serving(tmp_path / "s", "--workers", "1", "--user", "nobody", "--group", group.gr_name) as server:
        (worker,) = server.workers()
        assert psutil.Process(worker).uids() == (nobody.pw_uid,) * 3
        assert psutil.Process(worker).gids() == (group.gr_gid,) * 3
        status = Path(f"/proc/{worker}/status").read_text(encoding="ascii")
        assert next(line for line in status.splitlines() if line.startswith("CapEff:")).split()[1].strip("0") == ""
        assert (tmp_path / "s").stat().st_uid == nobody.pw_uid
        with Wire(server) as wire:
            wire.send(head("/healthz", method="GET"))
            assert wire.answer().status == 200
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0
    assert not (tmp_path / "s").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_a_stop_under_load_of_workers_without_a_privilege_answers_every_request() -> None:
    with serving("--workers", "2", "--user", "nobody") as server, loading(server, keep_alive=2, fresh=4) as load:
        load.wait_more(2)
        server.signal(signal.SIGTERM)
        load.join()
        assert server.wait_exit() == 0
        assert load.failures == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give its rights up")
def test_only_root_can_become_somebody_else() -> None:
    asked = (
        "import os\n"
        "from imgsrv.pool.worker.identity import identity\n"
        "os.setresuid(65534, 65534, 65534)\n"
        "try: identity('root', '')\n"
        "except Exception as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3]
    )
    assert done.stdout.startswith("only root can become another user or group, and this is nobody: start it as root")


WITHOUT_SETUID = """
import ctypes, os, sys
for capability in (6, 7):
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
os.execv(sys.executable, [sys.executable, "-m", "imgsrv", *sys.argv[1:]])
"""
"""PR_CAPBSET_DROP of CAP_SETGID and CAP_SETUID, as a hardened unit or container does it."""


def test_a_reload_to_a_user_that_the_workers_cannot_become_is_refused_by_the_trial(tmp_path: Path) -> None:
    file = tmp_path / "imgsrv.toml"
    file.write_text("workers = 1\n")
    server = Server("--config", str(file), program=[sys.executable, "-c", WITHOUT_SETUID])
    try:
        pids = server.wait_ready().workers()
        file.write_text('workers = 1\nuser = "nobody"\n')
        with pytest.raises(CommandFailed, match=r"become another user or group.*; nothing has changed"):
            command(Place(server.folder, "default"), "reload", patience_s=60)
        assert server.workers() == pids
    finally:
        server.stop()


def test_nobody_named_is_nobody_to_become() -> None:
    assert identity("", "") == Identity()


def test_who_is_the_user_already_need_not_be_root(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = pwd.getpwnam("nobody")
    monkeypatch.setattr(os, "geteuid", lambda: nobody.pw_uid)
    monkeypatch.setattr(os, "getegid", lambda: nobody.pw_gid)
    assert identity("nobody", "") == Identity()
    with pytest.raises(BadArgument, match="and this is nobody"):
        identity("root", "")
