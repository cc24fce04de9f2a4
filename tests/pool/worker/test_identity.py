"""The user and group of the workers."""

from __future__ import annotations

import grp
import os
import pwd
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from load import loading
from serving import Server, serving
from unix_server import unix_serving
from wire import Wire, head

from imgsrv.cli._control_client import ask as command
from imgsrv.errors import BadArgument, CommandFailed
from imgsrv.pool.control.instances import Place
from imgsrv.pool.worker.identity import Identity, identity

pytestmark = pytest.mark.slow


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_workers_switch_user_and_group_and_the_master_can_still_end_them(tmp_path: Path) -> None:
    nobody, group = pwd.getpwnam("nobody"), grp.getgrgid(pwd.getpwnam("nobody").pw_gid)
    tmp_path.chmod(0o755)
    with unix_serving(tmp_path / "s", "--workers", "1", "--user", "nobody", "--group", group.gr_name) as server:
        (worker,) = server.workers()
        assert psutil.Process(worker).uids() == (nobody.pw_uid,) * 3
        assert psutil.Process(worker).gids() == (group.gr_gid,) * 3
        status = Path(f"/proc/{worker}/status").read_text(encoding="ascii")
        assert next(line for line in status.splitlines() if line.startswith("CapEff:")).split()[1].strip("0") == ""
        assert "NoNewPrivs:\t1\n" in status
        assert (tmp_path / "s").stat().st_uid == nobody.pw_uid
        with Wire(server) as wire:
            wire.send(head("/healthz", method="GET"))
            assert wire.answer().status == 200
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0
    assert not (tmp_path / "s").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_a_stop_under_load_of_unprivileged_workers_answers_every_request() -> None:
    with serving("--workers", "2", "--user", "nobody") as server, loading(server, keep_alive=2, fresh=4) as load:
        load.wait_more(2)
        server.signal(signal.SIGTERM)
        load.join()
        assert server.wait_exit() == 0
        assert load.failures == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give its rights up")
def test_only_root_can_become_another_user() -> None:
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


def test_no_user_and_no_group_give_no_identity() -> None:
    assert identity("", "") == Identity()


def test_a_process_that_already_runs_as_the_user_need_not_be_root(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = pwd.getpwnam("nobody")
    monkeypatch.setattr(os, "geteuid", lambda: nobody.pw_uid)
    monkeypatch.setattr(os, "getegid", lambda: nobody.pw_gid)
    assert identity("nobody", "") == Identity()
    with pytest.raises(BadArgument, match="and this is nobody"):
        identity("root", "")
