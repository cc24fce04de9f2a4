"""Several instances from one file: each with its own settings, and all of them with one command."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from background import Background, background

from imgsrv.environment import file_values, instance_names, values_for_one
from imgsrv.errors import BadSetting
from imgsrv.settings import read_configuration

FILE = """\
port = 0
workers = 1

[instances.thumbs]
max_pixels = 1_000_000

[instances.photos]
max_pixels = 90_000_000

[instances.broken]
host = "unix:/nonexistent/folder/socket"
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "imgsrv.toml"
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)
    return file


def test_an_instance_has_the_settings_of_all_and_then_its_own(tmp_path: Path) -> None:
    file = written(tmp_path, FILE)
    found, faults = read_configuration({"name": "thumbs"}, file)
    assert faults == []
    assert found is not None
    assert (found.settings.name, found.settings.port, found.settings.max_pixels) == ("thumbs", 0, 1_000_000)
    assert (found.sources["port"], found.sources["max_pixels"]) == (f"file {file}", f"file {file} [instances.thumbs]")


def test_a_flag_and_the_environment_win_over_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGSRV_NAME", "photos")
    monkeypatch.setenv("IMGSRV_WORKERS", "3")
    found, faults = read_configuration({"max_pixels": 2_000_000}, written(tmp_path, FILE))
    assert faults == []
    assert found is not None
    assert (found.settings.name, found.settings.workers, found.settings.max_pixels) == ("photos", 3, 2_000_000)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("instances = 3", "it must be tables such as [instances.thumbs]"),
        ("[instances]\nthumbs = 3", "it must be tables such as [instances.thumbs]"),
        ("[instances.'a b']", "the name must be 1 to 64 letters"),
        ("[instances.a]\nname = 'b'", "the name of the table is the name"),
        ("name = 'x'\n[instances.a]\n[instances.b]", "the names of its instances are a and b; leave it out"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(text: str, said: str, tmp_path: Path) -> None:
    file = written(tmp_path, text)
    with pytest.raises(BadSetting, match=said.replace("[", r"\[")):
        instance_names(file_values(file), file)


def test_an_instance_that_the_file_has_not_is_refused_with_those_that_it_has(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"--name=other: the instances in .* are thumbs, photos and broken"):
        values_for_one(written(tmp_path, FILE), "other")


def test_a_misspelt_setting_of_one_instance_is_named(tmp_path: Path) -> None:
    _found, faults = read_configuration({"name": "a"}, written(tmp_path, "[instances.a]\nprot = 3"))
    assert "did you mean port?" in str(faults[0])


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Background]:
    written(tmp_path, FILE)
    with background(tmp_path) as found:
        yield found


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_all_instances_of_a_file_live_with_one_command(place: Background) -> None:
    started = place.imgsrv("start", "--all")
    assert started.returncode == 1, "one of them cannot start"
    assert "imgsrv: broken: broken did not start" in started.stderr
    assert [line.split(" serves on ")[0] for line in started.stdout.splitlines() if " serves on " in line] == [
        "thumbs",
        "photos",
    ]

    listed = json.loads(place.imgsrv("list", "--json").stdout)
    assert {one["name"]: one["state"] for one in listed} == {
        "thumbs": "serving",
        "photos": "serving",
        "broken": "not running",
    }
    for one in listed[:2]:
        assert urllib.request.urlopen(f"{one['url']}/healthz").status == 200  # noqa: S310  our own
    again = place.imgsrv("start", "--all")
    assert again.stdout.count("already serves on") == 2

    status = place.imgsrv("status", "--all", "--json")
    assert status.returncode == 1
    found = json.loads(status.stdout)
    assert [(name, one.get("state")) for name, one in found.items()] == [
        ("thumbs", "serving"),
        ("photos", "serving"),
        ("broken", None),
    ]
    assert "imgsrv: broken: no instance named 'broken' runs" in status.stderr

    reloaded = place.imgsrv("reload", "--all", "--json")
    assert (reloaded.returncode, sorted(json.loads(reloaded.stdout))) == (1, ["broken", "photos", "thumbs"])
    restarted = place.imgsrv("restart", "--all")
    assert restarted.returncode == 1
    assert "instance thumbs" in restarted.stderr
    assert [one["state"] for one in json.loads(place.imgsrv("list", "--json").stdout)[:2]] == ["serving", "serving"]

    logs = place.imgsrv("logs", "--all", "-n", "3")
    assert {line.split("|")[0].strip() for line in logs.stdout.splitlines()} >= {"thumbs", "photos"}
    records = [json.loads(line) for line in place.imgsrv("logs", "--all", "--json").stdout.splitlines()]
    assert [record["timestamp"] for record in records] == sorted(record["timestamp"] for record in records)
    assert {record["instance"] for record in records} >= {"thumbs", "photos"}

    stopped = place.imgsrv("stop", "--all")
    assert (stopped.returncode, "broken does not run" in stopped.stderr) == (0, True)
    assert place.imgsrv("list").stdout.split()[:2] != ["no", "instance"], "those of the file are named"
    assert {one["state"] for one in json.loads(place.imgsrv("list", "--json").stdout)} == {"not running"}


@pytest.mark.slow
def test_the_logs_of_all_are_followed(place: Background) -> None:
    logs = place.folder / "state" / "imgsrv"
    logs.mkdir(parents=True)
    for name in ("thumbs", "photos"):
        (logs / f"{name}.log").write_text('{"event": "old", "timestamp": "1"}\n')
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "imgsrv", "logs", "--all", "-f", "-n", "0"],
        cwd=place.folder,
        env={"IMGSRV_RUNTIME_DIR": str(place.folder / "run"), "XDG_STATE_HOME": str(place.folder / "state")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        assert command.stdout is not None
        assert command.stderr is not None
        try:
            assert "imgsrv: broken: no instance named" in command.stderr.readline()
            seen: list[str] = []
            while not seen:
                with (logs / "photos.log").open("a") as log:
                    log.write('{"event": "new", "timestamp": "2"}\n')
                seen = [command.stdout.readline()]
            assert seen[0] == 'photos | {"event": "new", "timestamp": "2"}\n'
        finally:
            command.kill()


@pytest.mark.slow
def test_a_file_of_several_asks_which_one_is_meant(place: Background) -> None:
    for command in ("start", "serve", "status", "config"):
        done = place.imgsrv(command)
        assert (done.returncode, done.stdout) == (2, ""), command
        assert "has the instances thumbs, photos and broken; choose one with --name NAME" in done.stderr
    assert "leave out one of them" in place.imgsrv("stop", "--all", "--name", "thumbs").stderr


@pytest.mark.slow
def test_without_a_file_of_several_all_are_those_that_run(tmp_path: Path) -> None:
    with background(tmp_path) as place:
        assert "names no instances" in place.imgsrv("start", "--all").stderr
        assert (place.imgsrv("stop", "--all").stdout, place.imgsrv("status", "--all").stdout) == (
            "no instance runs\n",
            "no instance runs\n",
        )
        place.start("--workers", "1")
        assert json.loads(place.imgsrv("ping", "--all", "--json").stdout)["default"]["state"] == "serving"
        assert place.imgsrv("stop", "--all").returncode == 0
