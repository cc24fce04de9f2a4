"""`imgsrv systemd-unit` prints units that systemd accepts."""

from __future__ import annotations

import configparser
import grp
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from imgsrv.cli import systemd_unit
from imgsrv.cli.main import run

DEPLOY = Path(__file__).parents[2] / "deploy"

ANALYZE = shutil.which("systemd-analyze") or ""


def printed(capsys: pytest.CaptureFixture[str], *flags: str) -> configparser.ConfigParser:
    assert run(["systemd-unit", *flags]) == 0
    unit = configparser.ConfigParser(interpolation=None, delimiters=("=",), strict=True)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # keys as they are written
    unit.read_string(capsys.readouterr().out)
    return unit


def test_the_service_has_notify_watchdog_reload_and_hardening(capsys: pytest.CaptureFixture[str]) -> None:
    service = printed(capsys, "--name", "shop", "--workers", "max", "--max-body", "20MB", "--no-access-log")["Service"]
    _program, *arguments = shlex.split(service["ExecStart"])
    assert arguments == ["serve", "--name=shop", "--workers=max", "--max-body=20MB", "--no-access-log"]
    assert service["ExecReload"].endswith("imgsrv reload --name=shop")
    wanted = {
        "Type": "notify",
        "KillMode": "mixed",
        "WatchdogSec": "30",
        "DynamicUser": "yes",
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
        "PrivateTmp": "yes",
        "RuntimeDirectory": "imgsrv-shop",
        "StateDirectory": "imgsrv-shop",
        "MemoryMax": "80%",
        "OOMPolicy": "continue",
        "LimitNOFILE": "65536",
        "TimeoutStopSec": "340",
        "CapabilityBoundingSet": "",
    }
    assert {key: service[key] for key in wanted} == wanted


def test_a_user_and_a_group_become_those_of_the_service(capsys: pytest.CaptureFixture[str]) -> None:
    service = printed(capsys, "--user", "root", "--group", "root")["Service"]
    assert (service["User"], service["Group"], "DynamicUser" in service) == ("root", "root", False)
    assert "--user" not in service["ExecStart"]


def test_only_a_port_below_1024_gets_a_capability(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "--port", "80")["Service"]["AmbientCapabilities"] == "CAP_NET_BIND_SERVICE"
    assert printed(capsys, "--port", "80", "--with-socket")["Service"]["AmbientCapabilities"] == ""


@pytest.mark.parametrize(
    ("flags", "address"),
    [
        pytest.param(["--host", "0.0.0.0", "--port", "80"], "0.0.0.0:80", id="ipv4"),  # noqa: S104  printed, not bound
        pytest.param(["--host", "::"], "[::]:8000", id="ipv6"),
        pytest.param(["--host", "unix:/run/imgsrv/http.sock"], "/run/imgsrv/http.sock", id="unix"),
    ],
)
def test_the_socket_unit_has_the_address(capsys: pytest.CaptureFixture[str], flags: list[str], address: str) -> None:
    unit = printed(capsys, "--socket", *flags)
    assert unit["Socket"]["ListenStream"] == address
    assert unit["Socket"]["Service"] == "imgsrv-default.service"
    assert unit["Socket"].get("SocketMode") == ("0660" if address.startswith("/") else None)


def test_a_value_with_special_characters_of_systemd_is_escaped(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "a b%c$d"
    folder.mkdir()
    command = printed(capsys, "--font-dir", str(folder))["Service"]["ExecStart"]
    assert f'"--font-dir={tmp_path}/a b%%c$$d"' in command


def test_folders_that_it_writes_are_made_by_systemd_or_opened_for_its_user(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systemd_unit, "KEPT_FOLDERS", {str(tmp_path / "cache"): "CacheDirectory"})
    (tmp_path / "cache" / "imgsrv" / "results").mkdir(parents=True)
    kept = f"--cache-dir={tmp_path}/cache/imgsrv/results"
    service = printed(capsys, kept)["Service"]
    assert service["CacheDirectory"] == "imgsrv/results"
    assert (service["StateDirectory"], "ReadWritePaths" in service) == ("imgsrv", False)
    service = printed(capsys, kept, f"--log-file={tmp_path}/imgsrv.log", "--user=root")["Service"]
    assert (service["CacheDirectory"], service["ReadWritePaths"]) == ("imgsrv/results", str(tmp_path))


def test_a_folder_that_a_user_of_the_moment_cannot_have_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["systemd-unit", f"--cache-dir={tmp_path}"]) == 2
    told = capsys.readouterr().err
    assert f"--cache-dir={tmp_path}: the service runs as a user of its own, which may not write to {tmp_path}" in told
    assert "below /var/cache, /var/log and /var/lib, or give --user" in told


@pytest.mark.parametrize("setting", ["keys-file", "secrets-file"])
def test_a_file_of_secrets_that_its_user_may_not_read_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, setting: str
) -> None:
    file = tmp_path / "secrets"
    made = ["keys", "add", "shop", "--file", str(file)] if setting == "keys-file" else ["sign", "--new-secret", "a"]
    assert run(made) == 0
    line = capsys.readouterr().out
    if setting == "secrets-file":
        file.write_text(line)
    file.chmod(0o600)
    assert run(["systemd-unit", f"--{setting}={file}"]) == 2
    assert f"useradd --system imgsrv), give --user imgsrv, and let it own the file: chown imgsrv {file}" in (
        capsys.readouterr().err
    )
    group = f"--group={grp.getgrgid(file.stat().st_gid).gr_name}"
    for mode, flags in ((0o644, []), (0o640, [group])):
        file.chmod(mode)
        assert printed(capsys, f"--{setting}={file}", *flags)["Service"]["DynamicUser"] == "yes"


def test_a_value_with_a_line_break_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "a\nb").mkdir()
    assert run(["systemd-unit", "--font-dir", str(tmp_path / "a\nb")]) == 2
    assert "it has characters that are not printable" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["service", "socket"])
def test_the_examples_in_deploy_are_its_output(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr("sys.argv", ["/opt/imgsrv/bin/imgsrv"])
    kind = {"service": "--with-socket", "socket": "--socket"}[suffix]
    assert run(["systemd-unit", kind, "--host=0.0.0.0", "--port=80", "--workers=max"]) == 0
    assert capsys.readouterr().out == (DEPLOY / f"imgsrv-default.{suffix}").read_text(encoding="utf-8")


@pytest.mark.skipif(not ANALYZE, reason="systemd-analyze is not installed")
def test_systemd_finds_nothing_wrong(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for suffix, flags in (("service", ["--with-socket"]), ("socket", ["--socket"])):
        assert run(["systemd-unit", *flags]) == 0
        (tmp_path / f"imgsrv-default.{suffix}").write_text(capsys.readouterr().out, encoding="utf-8")
    files = [str(file) for file in sorted(tmp_path.iterdir())]
    done = subprocess.run([ANALYZE, "verify", "--man=no", *files], capture_output=True, text=True, check=False)
    complaints = [
        line for line in done.stderr.splitlines() if "imgsrv-default" in line and "not executable" not in line
    ]
    assert complaints == []
