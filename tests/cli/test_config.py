"""`imgsrv config`: every setting, its value and its source."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imgsrv.cli.main import run
from imgsrv.environment import environment_name, flag_name
from imgsrv.settings import SETTINGS


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(environment_name(name), raising=False)


def test_every_setting_is_printed_on_a_line_with_its_flag(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config"]) == 0
    _heading, *lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [flag_name(name) for name in SETTINGS]


def test_a_line_has_the_value_and_its_source(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "imgsrv.toml"
    file.write_text("drain_s = 5", encoding="utf-8")
    monkeypatch.setenv("IMGSRV_WORKERS", "3")
    assert run(["config", "--config", str(file), "--port", "9000"]) == 0
    lines = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()}
    assert lines["--drain-s"] == ["5.0", "file", str(file)]
    assert lines["--workers"] == ["3", "environment", "IMGSRV_WORKERS"]
    assert lines["--port"] == ["9000", "flag", "--port"]
    assert lines["--host"] == ["127.0.0.1", "default"]


def test_json_is_one_object_with_value_and_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "--json", "--no-access-log"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert list(rows) == list(SETTINGS)
    assert rows["access_log"] == {"value": False, "source": "flag --access-log"}
    assert rows["max_body"] == {"value": 64_000_000, "source": "default"}


def test_the_values_of_the_json_give_the_same_configuration_as_a_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run(["config", "--json", "--port", "9000", "--workers", "7"])
    rows = json.loads(capsys.readouterr().out)
    file = tmp_path / "imgsrv.toml"
    file.write_text("".join(f"{name} = {json.dumps(row['value'])}\n" for name, row in rows.items()), encoding="utf-8")
    assert run(["config", "--json", "--config", str(file)]) == 0
    again = json.loads(capsys.readouterr().out)
    assert {name: row["value"] for name, row in again.items()} == {name: row["value"] for name, row in rows.items()}


def test_a_wrong_value_is_reported_on_standard_error_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "--port", "65536"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("imgsrv: --port=65536: it must be a whole number from 0 to 65535")


def test_a_file_in_the_current_folder_is_read_and_named_as_the_source(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "imgsrv.toml").write_text("port = 9001", encoding="utf-8")
    (tmp_path / "imgsrv.toml").chmod(0o644)
    monkeypatch.chdir(tmp_path)
    assert run(["config"]) == 0
    assert "--port" in (told := capsys.readouterr().out)
    assert next(line.split() for line in told.splitlines() if "--port" in line)[1:] == ["9001", "file", "imgsrv.toml"]


# ---- --check ----------------------------------------------------------------------------------------------


def test_a_check_of_a_valid_configuration_prints_ok(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "some.toml"
    file.write_text('workers = "max"', encoding="utf-8")
    assert run(["config", "--check", "--config", str(file)]) == 0
    assert capsys.readouterr().out == f"ok: {file}\n"


def test_a_check_reports_every_fault_with_a_suggestion_and_status_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "some.toml"
    file.write_text("max_bdy = 1\nport = 70000", encoding="utf-8")
    assert run(["config", "--check", "--config", str(file), "--workers", "none"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == [
        f"imgsrv: max_bdy in {file}: there is no such setting; did you mean max_body?",
        f"imgsrv: port = 70000 in {file}: it must be a whole number from 0 to 65535",
        "imgsrv: --workers=none: it must be max or auto or a whole number from 1 to 1024",
    ]


@pytest.mark.parametrize(
    ("hook", "reason"),
    [
        pytest.param("no_such_module:start", "ModuleNotFoundError: No module named 'no_such_module'", id="no-module"),
        pytest.param("json:lods", "AttributeError: module 'json' has no attribute 'lods'", id="no-function"),
        pytest.param("string:digits", "TypeError: digits is no function but str", id="no-function-but-a-text"),
    ],
)
def test_a_check_reports_a_hook_that_cannot_be_loaded(
    capsys: pytest.CaptureFixture[str], hook: str, reason: str
) -> None:
    assert run(["config", "--check", "--on-worker-stop", hook]) == 2
    assert capsys.readouterr().err == f"imgsrv: on_worker_stop {hook}: {reason}\n"


@pytest.mark.parametrize(
    ("flag", "reason"),
    [("--font-fallback=Comic", "there is no font 'Comic'"), ("--font-dir={empty}", "it holds no font")],
    ids=["no-such-fallback", "a-folder-without-fonts"],
)
def test_a_check_reports_fonts_that_cannot_be_used(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, flag: str, reason: str
) -> None:
    given = flag.format(empty=tmp_path)
    assert run(["config", "--check", given]) == 2
    assert capsys.readouterr().err.startswith(f"imgsrv: {given}: {reason}")


def test_help_mentions_every_setting_with_its_variable(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("serve", "config"):
        with pytest.raises(SystemExit) as ended:
            run([command, "--help"])
        text = capsys.readouterr().out
        assert ended.value.code == 0
        assert [name for name in SETTINGS if flag_name(name) not in text] == []
        assert [name for name in SETTINGS if environment_name(name) not in text] == []


@pytest.mark.parametrize("host", ["not a host", "999.1.1.1", "a" * 300, "1.2.3.4.5", "host.invalid"])
def test_a_check_reports_a_host_that_cannot_be(capsys: pytest.CaptureFixture[str], host: str) -> None:
    assert run(["config", "--check", "--host", host]) == 2
    assert capsys.readouterr().err.startswith(f"imgsrv: --host={host}")


@pytest.mark.parametrize("flag", ["--agent-listen", "--metrics-listen"])
@pytest.mark.parametrize("host", ["999.1.1.1", "a" * 300, "host.invalid", "[::g]"])
def test_a_check_reports_the_host_of_a_further_address(
    capsys: pytest.CaptureFixture[str], flag: str, host: str
) -> None:
    assert run(["config", "--check", f"{flag}={host}:8001"]) == 2
    assert capsys.readouterr().err.startswith(f"imgsrv: {flag}={host}:8001")
    assert run(["config", "--check", f"{flag}=[::1]:8001"]) == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "::", "localhost", "unix:/tmp/imgsrv.sock"])
def test_a_check_accepts_every_kind_of_host(capsys: pytest.CaptureFixture[str], host: str) -> None:
    assert run(["config", "--check", "--host", host]) == 0, capsys.readouterr().err


def test_a_check_reports_a_log_file_that_cannot_be_written_and_makes_none(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    for place, reason in (
        ("missing/x.log", f"the folder {tmp_path}/missing does not exist; create it, or name another"),
        ("file/x.log", "it cannot be written: Not a directory"),
    ):
        assert run(["config", "--check", f"--log-file={tmp_path / place}"]) == 2
        assert capsys.readouterr().err.startswith(f"imgsrv: --log-file={tmp_path / place}: {reason}")
    for place in ("new.log", "file"):
        assert run(["config", "--check", f"--log-file={tmp_path / place}"]) == 0
    assert sorted(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_check_reports_a_unix_socket_in_a_folder_that_does_not_exist(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["config", "--check", f"--host=unix:{tmp_path}/none/a.sock"]) == 2
    assert f"the folder {tmp_path}/none does not exist" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["convert", "a", "b", "--jobs=0"], ["logs", "-n", "1_0"], ["logs", "-n", "\u0663"]])
def test_a_whole_number_is_one_in_every_command(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(words)
    assert " is not a whole number of at least " in capsys.readouterr().err
