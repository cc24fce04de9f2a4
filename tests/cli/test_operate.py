"""The commands for a running instance, against a real one."""

from __future__ import annotations

import json
import os
import signal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import pytest
from serving import Server, serving, wait_until
from wire import HEALTH, PNG, ask, post

from imgsrv import __version__
from imgsrv.cli.main import run

Captured = pytest.CaptureFixture[str]


def told(capsys: Captured, server: Server, *arguments: str) -> Any:
    """The JSON that a command prints."""
    assert run([*arguments, "--json", "--runtime-dir", str(server.folder)]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys: Captured, *arguments: str) -> str:
    """The message of a command that fails."""
    assert run([*arguments]) == 1
    return capsys.readouterr().err


def test_status_describes_the_instance_and_each_worker(capsys: Captured, server: Server) -> None:
    assert ask(server, post("/flip", PNG)).status == 200
    found = told(capsys, server, "status")
    assert {name: found[name] for name in ("name", "version", "pid", "url", "state", "size", "generation")} == {
        "name": "default",
        "version": __version__,
        "pid": server.pid,
        "url": server.url,
        "state": "serving",
        "size": 2,
        "generation": 1,
    }
    assert [worker["slot"] for worker in found["workers"]] == [0, 1]
    assert sorted(worker["pid"] for worker in found["workers"]) == server.workers()
    assert all(worker["state"] == "ready" and worker["memory_bytes"] > 1_000_000 for worker in found["workers"])
    assert sum(worker["jobs_done"] for worker in found["workers"]) == found["totals"]["jobs_done"] >= 1
    assert 0 < found["latency_s"]["p50"] <= found["latency_s"]["p99"]
    assert [event["event"] for event in found["events"]][:2] == ["worker_ready", "worker_ready"]


def test_status_on_a_terminal_is_a_table(capsys: Captured, server: Server) -> None:
    assert run(["status", "--runtime-dir", str(server.folder)]) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith(f"default is serving on {server.url} (imgsrv {__version__}, pid {server.pid})")
    assert [line.split()[0] for line in rest if " ready " in line] == ["0", "1"]


def test_list_shows_every_instance_that_runs(capsys: Captured, server: Server) -> None:
    with serving("--workers", "1", "--name", "other", "--runtime-dir", str(server.folder)) as other:
        assert [one["name"] for one in told(capsys, server, "list")] == ["default", "other"]
        os.kill(other.pid, signal.SIGKILL)
        other.wait_exit()
        assert [one["name"] for one in told(capsys, server, "list")] == ["default"]


def test_list_of_an_empty_folder_reports_that_nothing_runs(capsys: Captured, tmp_path: Path) -> None:
    assert run(["list", "--runtime-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "no instance runs\n"


def test_describe_shows_every_setting_and_its_source(capsys: Captured, server: Server) -> None:
    found = told(capsys, server, "describe")
    assert found["settings"]["workers"] == {"value": 2, "source": "flag --workers"}
    assert found["command"][-6:] == ["--port", "0", "--log-format", "json", "--workers", "2"]
    assert "pillow" in found["packages"]
    assert found["extras"]["svg"] == version("resvg")


def test_ping_shows_the_process_number(capsys: Captured, server: Server) -> None:
    assert told(capsys, server, "ping")["pid"] == server.pid


def test_an_unknown_name_is_refused_and_the_running_instances_are_listed(capsys: Captured, server: Server) -> None:
    folder = str(server.folder)
    assert refused(capsys, "status", "--name", "web", "--runtime-dir", folder) == (
        f"imgsrv: no instance named 'web' runs in {folder}; choose with --name: default\n"
    )


@pytest.mark.parametrize(
    "command", [["ping"], ["scale", "2"], ["stop"]], ids=["bare", "behind-another", "in-place-of-now"]
)
def test_the_name_of_an_instance_needs_no_flag(capsys: Captured, server: Server, command: list[str]) -> None:
    assert "no instance named 'web' runs" in refused(capsys, *command, "web", "--runtime-dir", str(server.folder))


def test_a_runtime_folder_that_does_not_exist_is_reported(capsys: Captured, tmp_path: Path) -> None:
    assert "start one with `imgsrv start`" in refused(capsys, "status", "--runtime-dir", str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("text", "mode", "reason"),
    [
        ("name = ", 0o644, "it is not valid TOML"),
        ("name = 3", 0o644, "it must be 1 to 64 letters"),
        ("name = 'web'", 0o666, "others may write to it (mode 666)"),
    ],
    ids=["broken", "no-name", "writable"],
)
def test_a_bad_file_in_the_current_folder_does_not_keep_from_a_running_server(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: Server, text: str, mode: int, reason: str
) -> None:
    file = tmp_path / "imgsrv.toml"
    file.write_text(text)
    file.chmod(mode)
    monkeypatch.chdir(tmp_path)

    assert run(["ping", "--json", "--runtime-dir", str(server.folder)]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["pid"] == server.pid
    assert reason in said.err
    assert said.err.endswith("the instance is looked for without it\n")


def test_a_file_that_was_named_and_is_broken_stops_the_command(capsys: Captured, tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.write_text("name = ")

    assert run(["status", "--config", str(file)]) == 2
    assert "it is not valid TOML" in capsys.readouterr().err


def test_other_settings_in_the_named_file_are_no_matter_of_the_command(
    capsys: Captured, tmp_path: Path, server: Server
) -> None:
    file = tmp_path / "shop.toml"
    file.write_text(f"port = 'many'\nruntime_dir = '{server.folder}'\n")

    assert run(["ping", "--json", "--config", str(file)]) == 0
    assert json.loads(capsys.readouterr().out)["pid"] == server.pid


def test_a_variable_names_the_instance(capsys: Captured, monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    monkeypatch.setenv("IMGSRV_NAME", "web")
    assert "no instance named 'web' runs" in refused(capsys, "status", "--runtime-dir", str(server.folder))
    monkeypatch.setenv("IMGSRV_NAME", "../web")
    assert run(["status", "--runtime-dir", str(server.folder)]) == 2
    assert "IMGSRV_NAME=../web" in capsys.readouterr().err


def test_a_second_instance_of_a_name_is_refused_with_advice(capsys: Captured, server: Server) -> None:
    assert run(["serve", "--port", "0", "--runtime-dir", str(server.folder)]) == 2
    assert "stop it with `imgsrv stop --name default`, or choose another --name" in capsys.readouterr().err
    assert ask(server, HEALTH).status == 200


def test_stop_returns_when_the_instance_has_ended(capsys: Captured) -> None:
    with serving("--workers", "2") as server:
        assert told(capsys, server, "stop")["state"] == "stopped"
        assert server.wait_exit() == 0
        assert list(server.folder.iterdir()) == []


def test_stop_now_does_not_wait_for_clients(capsys: Captured) -> None:
    with serving("--workers", "1") as server, server.connect() as client:
        client.sendall(b"POST /flip HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
        wait_until(lambda: told(capsys, server, "status")["workers"][0]["connections"] == 1, "it is accepted")
        assert told(capsys, server, "stop", "now")["state"] == "stopped"
        assert server.wait_exit() == 1


def test_a_worker_has_no_descriptor_of_the_control_socket(server: Server) -> None:
    for pid in server.workers():
        files = [file.path for file in psutil.Process(pid).open_files()]
        assert [file for file in files if str(server.folder) in file] == []
