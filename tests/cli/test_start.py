"""`imgsrv start` returns when the server serves in the background, or with the reason; also after SIGKILL."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest
from background import Background, background, lives
from load import loading
from servers.ports import free_port
from serving import Server, wait_until
from wire import HEALTH, ask

pytestmark = pytest.mark.slow

DRAIN_S = 10.0


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Background]:
    with background(tmp_path) as found:
        yield found


def served(place: Background) -> Server:
    """A server for helpers that only connect."""
    return cast("Server", place)


def test_start_returns_when_the_server_serves_and_prints_its_url(place: Background) -> None:
    (place.folder / "some.toml").touch()
    said = place.start("--workers", "1", "--config", "some.toml")
    assert ask(served(place), HEALTH).status == 200
    assert said.splitlines()[:2] == [
        f"default serves on http://127.0.0.1:{place.port}, pid {place.master.pid}",
        f"log {place.log}",
    ]
    assert "imgsrv reload --config some.toml   imgsrv stop --config some.toml" in said


def test_the_server_has_its_own_session_and_no_input(place: Background) -> None:
    place.start("--workers", "1")
    pid = place.master.pid
    assert os.getsid(pid) == pid != os.getsid(0)
    assert Path(f"/proc/{pid}/fd/0").readlink() == Path(os.devnull)


def test_the_log_of_an_instance_is_found_by_name_even_after_its_end(place: Background) -> None:
    place.name = "thumbs"
    place.start("--workers", "1", "--name", "thumbs", "--no-access-log")
    assert '"serving"' in place.imgsrv("logs", "--name", "thumbs").stdout
    assert place.told("describe")["settings"]["access_log"]["value"] is False
    assert place.imgsrv("stop", "--name", "thumbs").returncode == 0
    assert '"stopping"' in place.imgsrv("logs", "--name", "thumbs").stdout
    assert (place.log.parent / "crashes" / "thumbs").is_dir()


def test_a_running_name_is_refused_with_advice(place: Background) -> None:
    place.start("--workers", "1")
    second = place.imgsrv("start", "--port", "0")
    assert second.returncode == 1
    assert "default is already serving on" in second.stderr
    assert "`imgsrv reload` gives it" in second.stderr
    assert place.told("ping")["pid"] == place.master.pid


def test_the_advice_for_another_name_contains_the_name(place: Background) -> None:
    place.name = "thumbs"
    place.start("--workers", "1", "--name", "thumbs")
    second = place.imgsrv("start", "--port", "0", "--name", "thumbs")
    assert second.returncode == 1
    assert "`imgsrv reload --name thumbs` gives it" in second.stderr
    assert "`imgsrv stop --name thumbs` ends it" in second.stderr


def test_a_taken_port_is_reported(place: Background) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        failed = place.imgsrv("start", "--port", str(other.getsockname()[1]))
    assert failed.returncode == 1
    assert "default did not start" in failed.stderr
    assert "another process already listens there" in failed.stderr


def test_a_start_that_fails_shows_the_last_lines_of_its_log(place: Background) -> None:
    (place.folder / "broken.py").write_text("def start(slot):\n    raise RuntimeError('no database')\n")
    failed = place.imgsrv("start", "--port", "0", "--workers", "1", "--on-worker-start", "broken:start")
    assert failed.returncode == 1
    assert "no worker can start: on_worker_start broken:start: RuntimeError: no database" in failed.stderr
    assert f"the last lines of {place.log}:" in failed.stderr
    assert "warning: worker_exit  slot=0" in failed.stderr
    assert place.imgsrv("list").stdout == "no instance runs\n"


def test_a_folder_that_cannot_be_created_is_reported(place: Background) -> None:
    (place.folder / "state").write_text("a file")
    failed = place.imgsrv("start", "--port", "0")
    assert failed.returncode == 2
    assert "choose other places with --log-file and --crash-dir" in failed.stderr


def test_after_sigkill_of_the_master_under_load_nothing_is_left_and_it_starts_again(place: Background) -> None:
    place.start("--workers", "2", "--drain-s", str(DRAIN_S))
    port, master = place.port, place.master
    processes = [master, *master.children(recursive=True)]
    with loading(served(place), keep_alive=4, fresh=4) as load:
        load.wait_more(2)
        master.kill()
        killed_at = time.monotonic()
        wait_until(lambda: not any(map(lives, processes)), "no process is left", DRAIN_S + 15)
        # Two more for what the machine is late by.
        assert time.monotonic() - killed_at < DRAIN_S + 2
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", port))
    said = place.imgsrv("start", "--port", str(port), "--workers", "2")
    assert said.returncode == 0, said.stderr
    assert ask(served(place), HEALTH).status == 200


def test_start_waits_until_the_workers_of_a_killed_master_release_the_address(place: Background) -> None:
    place.start("--workers", "1")
    port, master = place.port, place.master
    (worker,) = master.children()
    worker.suspend()
    master.kill()
    wait_until(lambda: not lives(master), "the master is gone")
    with ThreadPoolExecutor() as pool:
        starting = pool.submit(place.imgsrv, "start", "--port", str(port), "--workers", "1")
        wait_until(lambda: place.events("waiting_for_address") != [], "it waits")
        worker.resume()
        again = starting.result()
    assert again.returncode == 0, again.stderr
    assert f"waiting until the workers of a killed master let go of 127.0.0.1:{port}" in again.stderr
    assert ask(served(place), HEALTH).status == 200


def test_start_waits_no_longer_than_these_workers_may_take(place: Background) -> None:
    place.start("--workers", "1")
    place.master.kill()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        refused = place.imgsrv("start", "--port", str(other.getsockname()[1]), "--drain-s=0", "--send-timeout-s=0.1")
    assert refused.returncode == 1
    assert "another process already listens there" in refused.stderr


def started_at(place: Background) -> Any:
    return place.told("status")["started_unix"]


def test_restart_returns_when_the_new_server_serves(place: Background) -> None:
    place.start("--workers", "1")
    before, pid = started_at(place), place.master.pid
    again = place.imgsrv("restart")
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith(f"default is serving on http://127.0.0.1:{place.port} ")
    assert place.master.pid == pid
    assert started_at(place) > before


def test_a_restart_after_which_nothing_serves_gives_the_reason(place: Background) -> None:
    hook = place.folder / "hook.py"
    hook.write_text("def start(slot):\n    pass\n")
    place.start("--workers", "1", "--on-worker-start", "hook:start")
    # The trial loads hooks and does not call them.
    hook.write_text("def start(slot):\n    raise RuntimeError('no database')\n")
    failed = place.imgsrv("restart")
    assert failed.returncode == 1
    assert "default ended before it served requests" in failed.stderr
    assert "warning: worker_exit  slot=0" in failed.stderr
    assert not any(map(lives, place.processes))


# ---- other addresses and other files -----------------------------------------------------------------------


def configured(place: Background, text: str) -> None:
    (place.folder / "imgsrv.toml").write_text(text)
    (place.folder / "imgsrv.toml").chmod(0o644)


def test_a_restart_moves_to_another_port_and_gives_the_old_one_back(place: Background) -> None:
    old, new = free_port(), free_port()
    configured(place, f"port = {old}\nworkers = 1\n")
    assert place.imgsrv("start").returncode == 0
    configured(place, f"port = {new}\nworkers = 1\n")
    refused = place.imgsrv("reload")
    told = f"port is {old} and would be {new}: that takes `imgsrv restart --runtime-dir {place.folder}/run`"
    assert f"{told}; nothing has changed" in refused.stderr
    moved = place.imgsrv(*told.partition("`imgsrv ")[2].strip("`").split())
    assert moved.returncode == 0, moved.stderr
    assert moved.stdout.startswith(f"default is serving on http://127.0.0.1:{new} ")
    assert ask(served(place), HEALTH).status == 200
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", old), 5)


@pytest.mark.parametrize("setting", ["port", "metrics_listen", "agent_listen"])
def test_a_restart_to_a_port_of_somebody_else_is_refused_while_the_old_server_serves_on(
    place: Background, setting: str
) -> None:
    configured(place, f"port = {free_port()}\nworkers = 1\n")
    assert place.imgsrv("start").returncode == 0
    before = started_at(place)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        moved = f"port = {taken}" if setting == "port" else f'port = {place.port}\n{setting} = "127.0.0.1:{taken}"'
        configured(place, f"{moved}\nworkers = 1\n")
        refused = place.imgsrv("restart")
    assert refused.returncode == 1
    assert f"cannot listen on 127.0.0.1:{taken}: another process already listens there" in refused.stderr
    assert "nothing has changed" in refused.stderr
    assert started_at(place) == before
    assert ask(served(place), HEALTH).status == 200


def test_a_restart_to_a_unix_socket_and_with_metrics_of_its_own_works(place: Background) -> None:
    configured(place, f"port = {free_port()}\nworkers = 1\n")
    assert place.imgsrv("start").returncode == 0
    path, beside = place.folder / "a.sock", free_port()
    configured(place, f'host = "unix:{path}"\nmetrics_listen = "127.0.0.1:{beside}"\nworkers = 1\n')
    moved = place.imgsrv("restart")
    assert moved.returncode == 0, moved.stderr
    assert f"default is serving on unix:{path} " in moved.stdout
    socket.create_connection(("127.0.0.1", beside), 5).close()


def test_another_name_takes_a_stop_by_the_old_name_and_a_new_start(place: Background) -> None:
    (place.folder / "a.toml").write_text('name = "old"\nworkers = 1\n')
    place.name = "old"
    place.start("--config", "a.toml")
    (place.folder / "a.toml").write_text('name = "new"\nworkers = 1\n')
    for command in ("restart", "reload"):
        refused = place.imgsrv(command, "--name", "old")
        assert refused.returncode == 1
        told = refused.stderr.partition("that takes `imgsrv ")[2].partition("` and a new start")[0]
        assert told.split()[:3] == ["stop", "--name", "old"]
    assert place.imgsrv(*told.split()).returncode == 0
    place.name = "new"
    place.start("--config", "a.toml")


def test_every_command_that_start_names_finds_the_instance(place: Background) -> None:
    folder = place.folder / "it's here"
    folder.mkdir()
    (folder / "some.toml").write_text("workers = 1\n")
    flags = ("--name", "thumbs", "--runtime-dir", str(folder / "run"), "--config", str(folder / "some.toml"))
    said = place.start(*flags)
    again = place.imgsrv("start", *flags)
    assert again.returncode == 1
    named = [*re.findall(r"imgsrv ((?:status|reload|stop) .*?)(?:   |$)", said, re.MULTILINE)]
    assert len(named) == 3
    assert [command for command in re.findall(r"`imgsrv (.*?)`", again.stderr) if command not in named] == []
    for command in named:
        done = place.imgsrv(*shlex.split(command))
        assert done.returncode == 0, done.stderr


def test_a_program_that_is_not_on_the_path_is_named_as_it_was_called(place: Background) -> None:
    program = place.folder / "bin" / "imgsrv"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nfrom imgsrv.cli.main import main\nmain()\n")
    program.chmod(0o755)
    place.start("--workers", "1")
    environment = {**os.environ, "IMGSRV_RUNTIME_DIR": str(place.folder / "run")}
    for path, name in (("/usr/bin:/bin", "bin/imgsrv"), (f"{program.parent}:/usr/bin:/bin", "imgsrv")):
        command = ["bin/imgsrv" if name != "imgsrv" else str(program), "start", "--port", "0"]
        done = subprocess.run(
            command, cwd=place.folder, env={**environment, "PATH": path}, capture_output=True, text=True, check=False
        )
        assert f"`{name} stop` ends it" in done.stderr


@pytest.mark.parametrize("command", ["reload", "restart"])
def test_an_error_has_the_name_of_the_program_once(place: Background, command: str) -> None:
    configured(place, "workers = 1\n")
    place.start()
    configured(place, "drain_s = -1\n")
    refused = place.imgsrv(command, "--name", "default", "--runtime-dir", str(place.folder / "run"))
    last = refused.stderr.splitlines()[-1]
    assert last.startswith("imgsrv: drain_s = -1 in imgsrv.toml: it must be")
    assert refused.stderr.count("imgsrv: ") == 1
    failed = place.imgsrv("start", "--name", "second")
    assert "imgsrv: imgsrv:" not in failed.stderr
