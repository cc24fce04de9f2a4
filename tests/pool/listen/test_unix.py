"""A Unix socket: its file is created, replaced and removed only if it is ours, and no request is lost."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from typing import Any

import psutil
import pytest
from load import loading
from serving import wait_until
from unix_server import reload_under_load, unix_serving
from wire import Wire, head

from imgsrv.errors import CannotListen
from imgsrv.pool.listen.unix import Owner, UnixListener

pytestmark = pytest.mark.slow


def listening(path: Path, **owner: Any) -> UnixListener:
    return UnixListener(path, 16, Owner(**owner))


# ---- the file ---------------------------------------------------------------------------------------------


def test_the_socket_has_the_mode_of_the_setting(tmp_path: Path) -> None:
    with listening(tmp_path / "s", mode=0o620) as listener:
        assert (tmp_path / "s").stat().st_mode & 0o777 == 0o620
        assert listener.url == f"unix:{tmp_path}/s"
    assert not (tmp_path / "s").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a file away")
def test_the_socket_has_the_group_of_the_setting(tmp_path: Path) -> None:
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


def test_two_servers_can_have_long_paths_with_the_same_beginning(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * (104 - len(os.fsencode(tmp_path))))
    folder.mkdir()
    with listening(folder / "1"), listening(folder / "2"):
        assert sorted(file.name for file in folder.iterdir()) == ["1", "1.lock", "2", "2.lock"]
    assert list(folder.iterdir()) == []


def test_a_lock_file_without_a_holder_does_not_prevent_listening(tmp_path: Path) -> None:
    (tmp_path / "s.lock").touch()
    with listening(tmp_path / "s") as listener:
        assert listener.url == f"unix:{tmp_path}/s"


def test_an_abstract_socket_of_another_user_does_not_prevent_listening(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as squatter:
        squatter.bind(f"\0imgsrv:{tmp_path}/s"[:108])
        with listening(tmp_path / "s") as listener:
            assert listener.url == f"unix:{tmp_path}/s"


def test_a_socket_whose_owner_cannot_be_changed_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_the_later_socket_of_another_server_is_not_removed(tmp_path: Path) -> None:
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


def test_a_reload_on_a_unix_socket_loses_no_request_and_keeps_its_file(tmp_path: Path) -> None:
    with unix_serving(tmp_path / "s", "--workers", "2") as server:
        file = (tmp_path / "s").stat().st_ino
        reload_under_load(server)
        assert (tmp_path / "s").stat().st_ino == file
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0
        assert not (tmp_path / "s").exists()


def test_a_unix_socket_accepts_clients_during_the_shutdown_delay(tmp_path: Path) -> None:
    with unix_serving(tmp_path / "s", "--workers", "1", "--shutdown-delay-s", "1") as server:
        server.signal(signal.SIGTERM)
        wait_until(lambda: server.named("stopping") != [], "it stops")
        with Wire(server) as wire:
            wire.send(head("/readyz", method="GET"))
            assert wire.answer().status == 503
        assert server.wait_exit() == 0
