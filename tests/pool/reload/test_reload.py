"""Reload and scale: new code and configuration, more and fewer workers, under load and with broken code."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from load import loading
from serving import Server, serving, wait_until
from wire import HEALTH, PNG, ask, is_flipped, post

import imgsrv
from imgsrv.cli._awaiting import restarted
from imgsrv.cli._control_client import ask as command
from imgsrv.errors import CommandFailed
from imgsrv.pool.control.instances import Place

pytestmark = pytest.mark.slow


def place(server: Server) -> Place:
    return Place(server.folder, "default")


def status(server: Server) -> Any:
    return command(place(server), "status")


def settled(server: Server, size: int) -> None:
    """Return when there are exactly this many workers and all are ready."""

    def is_settled() -> bool:
        found = status(server)
        return [worker["state"] for worker in found["workers"]] == ["ready"] * size and found["state"] == "serving"

    wait_until(is_settled, f"{size} workers are ready", 60)


def counts(server: Server) -> tuple[int, int, int]:
    """Numbers of descriptors, threads and children of the master."""
    master = psutil.Process(server.process.pid)
    return master.num_fds(), master.num_threads(), len(master.children(recursive=True))


# ---- reload -----------------------------------------------------------------------------------------------


@pytest.mark.timeout(400)
def test_a_reload_under_load_replaces_every_worker_and_loses_no_request() -> None:
    with serving("--workers", "2") as server:
        pids, before = set(server.workers()), counts(server)
        with loading(server, keep_alive=4, fresh=4) as load:
            load.wait_more(3)
            for generation in range(2, 4):
                steps: list[Any] = []
                result = command(place(server), "reload", on_progress=steps.append, patience_s=60)
                assert result == {"generation": generation, "size": 2}
                assert [step["step"] for step in steps][-4:] == ["starting", "ready"] * 2
                load.wait_more(2)
        assert load.failures == []
        settled(server, 2)
        assert {worker["generation"] for worker in status(server)["workers"]} == {3}
        assert pids.isdisjoint(server.workers())
        wait_until(lambda: counts(server) == before, "it has no more of anything than before")
        served = {event["pid"] for event in server.named("request")}
        assert served & pids
        assert served & set(server.workers())
        assert {event["reason"] for event in server.named("worker_exit")} == {"exit status 0"}


def test_sighup_reloads_and_the_master_keeps_its_process_number() -> None:
    with serving("--workers", "1") as server:
        (before,) = server.workers()
        server.signal(signal.SIGHUP)
        wait_until(lambda: server.named("reloaded") != [], "it is reloaded", 60)
        settled(server, 1)
        assert server.workers() != [before]
        assert status(server)["pid"] == server.pid
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0


def test_counts_continue_after_a_reload() -> None:
    with serving("--workers", "1") as server:
        assert is_flipped(ask(server, post("/flip", PNG)))
        started = status(server)["started_unix"]
        command(place(server), "reload", patience_s=60)
        assert is_flipped(ask(server, post("/flip", PNG)))
        found = status(server)
        assert (found["totals"]["jobs_done"], found["started_unix"]) == (2, started)


def test_a_reload_takes_a_new_configuration(tmp_path: Path) -> None:
    file = tmp_path / "imgsrv.toml"
    file.write_text("workers = 1\nmax_body = 1000000\n")
    with serving("--config", str(file)) as server:
        file.write_text("workers = 2\nmax_body = 1\n")
        command(place(server), "reload", patience_s=60)
        settled(server, 2)
        assert ask(server, post("/flip", PNG)).status == 413


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("worker = 1\n", "there is no such setting; did you mean workers?", id="unknown-setting"),
        pytest.param("drain_s = -1\n", "drain_s = -1 in ", id="bad-value"),
        pytest.param("workers = [\n", "it is not valid TOML", id="no-toml"),
        pytest.param('host = "0.0.0.0"\n', "host is '127.0.0.1' and would be '0.0.0.0': that takes", id="another-host"),
    ],
)
def test_a_reload_with_an_unusable_configuration_changes_nothing(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "imgsrv.toml"
    file.write_text("drain_s = 20\n")
    with serving("--workers", "1", "--config", str(file)) as server:
        pids = server.workers()
        file.write_text(text)
        with pytest.raises(CommandFailed, match=told.replace("?", r"\?")):
            command(place(server), "reload", patience_s=60)
        assert server.workers() == pids
        assert ask(server, HEALTH).status == 200


@pytest.fixture
def copied(tmp_path: Path) -> Iterator[tuple[Server, Path]]:
    """A server that runs a copy of the package, and the copy."""
    package = tmp_path / "code" / "imgsrv"
    shutil.copytree(Path(imgsrv.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    environment = {"PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    program = [sys.executable, "-P", "-m", "imgsrv"]
    with serving("--workers", "2", environment=environment, program=program) as server:
        yield server, package


BROKEN = {
    "a-syntax-error": ("web/app.py", "def (\n", "SyntaxError"),
    "an-import-error": ("web/app.py", "import no_such_module\n", "No module named 'no_such_module'"),
    "an-exit-while-loading": ("web/app.py", "raise SystemExit(7)\n", "the trial ended with 7"),
    "a-failing-self-test": (
        "imaging/selftest.py",
        "def self_test(limits):\n    raise RuntimeError('no codec')\n",
        "RuntimeError: no codec",
    ),
    "a-worker-that-cannot-boot": (
        "web/front.py",
        "async def _fail(*_):\n    raise RuntimeError('no front')\nFront.start = _fail\n",
        "RuntimeError: no front",
    ),
    "a-state-that-the-new-code-does-not-understand": (
        "pool/reload/state.py",
        "def load(*_):\n    raise KeyError('novelty')\n",
        "KeyError: 'novelty'; nothing has changed",
    ),
    "a-worker-that-cannot-boot-after-all": (
        "pool/worker/worker.py",
        "def run_worker(*_):\n    return 3\n",
        "slot 0 cannot start a new worker: exit status 3; the old workers serve on",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_reload_with_broken_code_changes_nothing(copied: tuple[Server, Path], name: str) -> None:
    server, package = copied
    file, text, told = BROKEN[name]
    pids = server.workers()
    with (package / file).open("a", encoding="utf-8") as module:
        module.write(text)
    with pytest.raises(CommandFailed) as failed:
        command(place(server), "reload", patience_s=60)
    assert told in str(failed.value)
    assert server.workers() == pids
    assert is_flipped(ask(server, post("/flip", PNG)))
    wait_until(lambda: server.named("reload_failed") != [], "it is logged too")
    assert server.named("reload_failed")[0]["reason"] in str(failed.value)


def test_if_one_slot_cannot_boot_all_slots_keep_their_old_workers(
    copied: tuple[Server, Path],
) -> None:
    server, package = copied
    pids = server.workers()
    with (package / "pool" / "worker" / "worker.py").open("a", encoding="utf-8") as module:
        module.write("_run = run_worker\ndef run_worker(work, given, line):\n")
        module.write("    return 3 if given.slot == 1 else _run(work, given, line)\n")
    with pytest.raises(CommandFailed, match="slot 1 cannot start a new worker"):
        command(place(server), "reload", patience_s=60)
    wait_until(lambda: server.workers() == pids, "the new one has gone")
    assert is_flipped(ask(server, post("/flip", PNG)))


def test_after_a_reload_new_code_serves_even_with_other_fields_on_the_scoreboard(
    copied: tuple[Server, Path],
) -> None:
    server, package = copied
    assert is_flipped(ask(server, post("/flip", PNG)))
    init, board = package / "__init__.py", package / "observe" / "scoreboard.py"
    init.write_text(init.read_text().replace(imgsrv.__version__, "99.0"))
    board.write_text(board.read_text().replace('    "requests",\n', '    "novelties",\n    "requests",\n', 1))
    command(place(server), "reload", patience_s=60)
    assert is_flipped(ask(server, post("/flip", PNG)))
    settled(server, 2)
    found = status(server)
    assert (found["version"], found["generation"], found["totals"]["jobs_done"]) == ("99.0", 2, 2)


def test_a_reload_follows_a_link_to_the_environment_of_another_version(tmp_path: Path) -> None:
    for version in ("98.0", "99.0"):
        script = tmp_path / version / "bin" / "imgsrv"
        script.parent.mkdir(parents=True)
        script.write_text(
            f"#!{sys.executable}\nimport sys\nimport imgsrv\nimgsrv.__version__ = {version!r}\n"
            "from imgsrv.cli.main import main\nsys.exit(main())\n"
        )
        script.chmod(0o755)
    current = tmp_path / "current"
    current.symlink_to("98.0")
    with serving("--workers", "1", program=[str(current / "bin" / "imgsrv")]) as server:
        assert status(server)["version"] == "98.0"
        current.unlink()
        current.symlink_to("99.0")
        command(place(server), "reload", patience_s=60)
        settled(server, 1)
        assert (status(server)["version"], status(server)["pid"]) == ("99.0", server.process.pid)
        # Once more, and back: the command of a reload is that of the start.
        current.unlink()
        current.symlink_to("98.0")
        command(place(server), "reload", patience_s=60)
        settled(server, 1)
        assert (status(server)["version"], status(server)["generation"]) == ("98.0", 3)
        assert is_flipped(ask(server, post("/flip", PNG)))


def test_a_second_reload_is_refused_while_one_is_under_way_and_a_stop_cancels_it(
    copied: tuple[Server, Path],
) -> None:
    server, package = copied
    with (package / "web" / "app.py").open("a", encoding="utf-8") as module:
        module.write("import time\ntime.sleep(1000)\n")
    server.signal(signal.SIGHUP)
    wait_until(lambda: server.named("reloading") != [], "the trial runs")
    assert status(server)["state"] == "reloading"
    for late in ("reload", "restart"):
        with pytest.raises(CommandFailed, match="a reload or restart is under way"):
            command(place(server), late)
    (trial,) = set(server.workers()) - {worker["pid"] for worker in status(server)["workers"]}
    assert command(place(server), "stop", patience_s=30)["state"] == "stopped"
    assert server.wait_exit() == 0
    assert not psutil.pid_exists(trial)


# ---- scale ------------------------------------------------------------------------------------------------


@pytest.mark.timeout(400)
def test_scaling_up_and_down_under_load_loses_no_request() -> None:
    with serving("--workers", "2") as server:
        with loading(server, keep_alive=4, fresh=4) as load:
            load.wait_more(2)
            for size in (8, 1, 4):
                assert command(place(server), "scale", str(size), patience_s=60) == {"size": size}
                load.wait_more(2)
        assert load.failures == []
        settled(server, 4)


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        pytest.param("many", "scale needs a number of workers", id="no-number"),
        pytest.param("0", "there would be 0 workers, and there may be 1 to 1024", id="none"),
        pytest.param("-1", "there would be 0 workers", id="one-less-than-one"),
        pytest.param("+1024", "there would be 1025 workers", id="too-many"),
    ],
)
def test_an_impossible_number_of_workers_is_refused(wish: str, told: str) -> None:
    with serving("--workers", "1") as server:
        with pytest.raises(CommandFailed, match=told):
            command(place(server), "scale", wish)
        assert status(server)["size"] == 1


def test_a_reload_that_changes_the_number_of_workers_tells_the_new_one(tmp_path: Path) -> None:
    file = tmp_path / "imgsrv.toml"
    file.write_text("workers = 2\n")
    with serving("--config", str(file)) as server:
        file.write_text("workers = 1\n")
        assert command(place(server), "reload", patience_s=60)["size"] == 1
        wait_until(lambda: status(server)["size"] == 1, "the number has changed")


def test_a_reload_that_is_rolled_back_counts_no_death(tmp_path: Path) -> None:
    file, module = tmp_path / "imgsrv.toml", tmp_path / "startup.py"
    file.write_text("on_worker_start = 'startup:begin'\n")
    module.write_text("def begin(slot):\n    pass\n")
    environment = {"PYTHONPATH": os.pathsep.join((str(tmp_path), str(Path(imgsrv.__file__).parents[1])))}
    with serving("--workers", "1", "--config", str(file), environment=environment) as server:
        module.write_text("import os\ndef begin(slot):\n    os._exit(9)\n")
        with pytest.raises(CommandFailed):
            command(place(server), "reload", patience_s=60)
        found = status(server)
        assert found["totals"]["restarts"] == {}
        assert found["workers"][0]["state"] == "ready"


def test_workers_without_enough_descriptors_are_refused_and_the_master_lives() -> None:
    with serving("--workers", "1") as server:
        master = psutil.Process(server.process.pid)
        before = master.num_fds()
        master.rlimit(psutil.RLIMIT_NOFILE, (before + 5, master.rlimit(psutil.RLIMIT_NOFILE)[1]))
        with pytest.raises(CommandFailed, match="the master may open no more files; raise the limit"):
            command(place(server), "scale", "50")
        assert status(server)["size"] == 1
        wait_until(lambda: master.num_fds() <= before, "what was opened is closed")


def test_signals_scale_by_one() -> None:
    with serving("--workers", "1") as server:
        server.signal(signal.SIGTTIN)
        settled(server, 2)
        server.signal(signal.SIGTTOU)
        settled(server, 1)


def test_a_connection_in_the_queue_of_a_removed_slot_is_served() -> None:
    with serving("--workers", "2") as server:
        last = next(worker["pid"] for worker in status(server)["workers"] if worker["slot"] == 1)
        os.kill(last, signal.SIGSTOP)
        clients = [server.connect() for _ in range(12)]
        for client in clients:
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        server.signal(signal.SIGTTOU)
        wait_until(lambda: any(worker["state"] == "draining" for worker in status(server)["workers"]), "it leaves")
        os.kill(last, signal.SIGCONT)
        for client in clients:
            with client:
                assert client.recv(100).startswith(b"HTTP/1.1 200")
        settled(server, 1)


def test_a_restart_keeps_the_process_number() -> None:
    with serving("--workers", "1") as server:
        before = status(server)
        assert command(place(server), "restart", patience_s=60)["state"] == "restarting"
        wait_until(lambda: len(server.named("serving")) == 2, "it serves again", 60)
        found = status(server)
        assert found["pid"] == before["pid"]
        assert found["started_unix"] > before["started_unix"]
        assert json.dumps(found["totals"]["requests"]) == "0"


@pytest.fixture
def by_a_link(tmp_path: Path) -> Iterator[tuple[Server, Path]]:
    """A server whose interpreter is a symbolic link, and the link; without the link it cannot be executed again."""
    link = tmp_path / "python"
    link.symlink_to(os.path.realpath(sys.executable))
    environment = {"PYTHONPATH": os.pathsep.join([str(Path(imgsrv.__file__).parents[1]), *sys.path[1:]])}
    flags = ("--workers", "1", "--shutdown-delay-s", "2")
    with serving(*flags, environment=environment, program=[str(link), "-P", "-m", "imgsrv"]) as server:
        yield server, link


def test_if_a_restart_cannot_execute_the_program_the_old_code_serves_on(by_a_link: tuple[Server, Path]) -> None:
    server, link = by_a_link
    restart = threading.Thread(target=unlink_when_it_stops, args=(server, link))
    restart.start()
    with pytest.raises(CommandFailed, match=f"{link} cannot be executed: No such file.*; the old code serves on"):
        restarted(place(server), lambda _: None)
    restart.join()
    settled(server, 1)
    server.port = server.named("serving")[-1]["port"]
    assert is_flipped(ask(server, post("/flip", PNG)))
    assert [event["reason"].split(":")[0] for event in server.named("restart_failed")] == [f"{link} cannot be executed"]
    server.signal(signal.SIGTERM)
    assert server.wait_exit() == 0


def unlink_when_it_stops(server: Server, link: Path) -> None:
    wait_until(lambda: server.named("stopping") != [], "it has passed the trial", 60)
    link.unlink()


# ---- the exec itself ---------------------------------------------------------------------------------------

EXECUTE = """
import os, resource, selectors, signal, sys
from imgsrv.pool.reload.exec import execute_with_state
from imgsrv.pool.signals import Signals
{before}
signals = Signals(selectors.DefaultSelector())
signals.taken = lambda: {taken}
try:
    execute_with_state([sys.executable, "-c", {after!r}], {{"text": "x" * 100_000}}, [], signals)
except OSError as error:
    print(error.strerror, signal.pthread_sigmask(signal.SIG_BLOCK, ()))
"""


def executed(after: str, *, before: str = "", taken: bytes = b"") -> str:
    """Return the output of a process that executes a program with a state, or of that program."""
    code = EXECUTE.format(before=before, after=after, taken=taken)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_state_that_does_not_fit_into_memory_is_not_passed_on_in_part() -> None:
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))"
    assert executed("print('executed')", before=limit) == "File too large set()"


def test_a_signal_that_the_loop_has_not_handled_is_handled_by_the_next_image() -> None:
    tell = "import signal; print(sorted(map(int, signal.sigpending())))"
    taken = bytes([signal.SIGTERM, signal.SIGCHLD])
    assert executed(tell, taken=taken) == str(sorted(taken))
