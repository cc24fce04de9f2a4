"""The manifest of `imgsrv convert`: what it says, and how a run goes on from it."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pictures import encoded, opened, picture
from serving import wait_until

import imgsrv as package
from imgsrv.bulk.manifest import Manifest
from imgsrv.bulk.work import Recipe
from imgsrv.errors import BadArgument
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.pipelines.pipeline import Pipeline

SQUARE = encoded(picture("RG/BY"))

Convert = Callable[..., int]


def rows(name: str | Path = "run.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(name).read_text().splitlines()]


def states(name: str | Path = "run.jsonl") -> list[tuple[str, str]]:
    """Name of the file and status of each record but those of runs."""
    return [(Path(row["source"]).name, row["status"]) for row in rows(name) if row["status"] != "run"]


@pytest.fixture
def _pictures(imgsrv: Convert) -> None:  # noqa: ARG001  its folder is the current one
    Path("in").mkdir()
    for name in "abc":
        Path(f"in/{name}.png").write_bytes(SQUARE)


pytestmark = pytest.mark.usefixtures("_pictures")


def test_a_manifest_says_what_became_of_each_picture(imgsrv: Convert) -> None:
    Path("in/broken.png").write_bytes(SQUARE[:40])

    assert imgsrv("in", "out/", "resize:width=1", "--format", "webp", "--manifest", "run.jsonl") == 1

    run, *records = rows()
    of = {Path(row["source"]).name: row for row in records}
    assert (run["status"], run["imgsrv"], run["pipeline"]) == ("run", package.__version__, "resize:width=1")
    assert run["output"] == {"format": "webp"}
    assert sorted(of) == ["a.png", "b.png", "broken.png", "c.png"]
    a, broken = of["a.png"], of["broken.png"]
    assert a["source"] == str(Path("in/a.png").absolute())
    assert a["target"] == str(Path("out/a.webp").absolute())
    assert (a["status"], a["format"], a["width"], a["height"]) == ("done", "webp", 1, 1)
    assert a["bytes"] == Path("out/a.webp").stat().st_size
    assert datetime.fromisoformat(a["at"]).tzinfo is not None
    assert broken["status"] == "failed"
    assert broken["error"].startswith("the PNG picture cannot be decoded")


def test_a_second_run_converts_only_what_failed_or_is_new_or_changed_or_gone(
    imgsrv: Convert, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("gone", "changed", "cut", "broken"):
        Path(f"in/{name}.png").write_bytes(SQUARE if name != "broken" else SQUARE[:40])
    assert imgsrv("in", "out/", "flip", "--manifest", "run.jsonl") == 1
    first = len(rows())
    Path("out/gone.png").unlink()
    Path("out/cut.png").write_bytes(b"torn")
    Path("in/changed.png").write_bytes(encoded(picture("RGB/RGB")))
    Path("in/new.png").write_bytes(SQUARE)
    Path("in/broken.png").write_bytes(SQUARE)
    capsys.readouterr()

    assert imgsrv("in", "out/", "flip", "--manifest", "run.jsonl") == 0

    assert "5 converted, 0 failed, 3 done before in " in capsys.readouterr().err
    again = [row for row in rows()[first:] if row["status"] != "run"]
    assert sorted(Path(row["source"]).stem for row in again) == ["broken", "changed", "cut", "gone", "new"]
    assert opened(Path("out/changed.png").read_bytes()).size == (3, 2)


def test_another_folder_may_be_the_current_one_of_the_second_run(
    imgsrv: Convert, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    imgsrv("in", "out/", "--manifest", "run.jsonl")
    monkeypatch.chdir("in")

    assert imgsrv("../in", "../out/", "--manifest", "../run.jsonl") == 0

    assert "0 converted, 0 failed, 3 done before" in capsys.readouterr().err


def test_results_that_existed_stand_in_the_manifest_once(imgsrv: Convert) -> None:
    Path("out").mkdir()
    Path("out/a.png").write_bytes(SQUARE)

    for _ in range(2):
        assert imgsrv("in", "out/", "--skip-existing", "--manifest", "run.jsonl") == 0

    assert sorted(states()) == [("a.png", "skipped"), ("b.png", "done"), ("c.png", "done")]


def test_a_dry_run_counts_what_is_done_and_writes_no_manifest(
    imgsrv: Convert, capsys: pytest.CaptureFixture[str]
) -> None:
    assert imgsrv("in", "out/", "--manifest", "run.jsonl", "--dry-run") == 0
    assert not Path("run.jsonl").exists()
    imgsrv("in/a.png", "out/", "--manifest", "run.jsonl")
    before = Path("run.jsonl").read_bytes()
    capsys.readouterr()

    assert imgsrv("in", "out/", "--manifest", "run.jsonl", "--dry-run") == 0

    said = capsys.readouterr()
    assert said.out == "in/b.png → out/b.png\nin/c.png → out/c.png\n"
    assert said.err == "2 would be converted, 1 done before\n"
    assert Path("run.jsonl").read_bytes() == before


def test_a_torn_last_line_is_removed_and_its_picture_converted_again(
    imgsrv: Convert, capsys: pytest.CaptureFixture[str]
) -> None:
    imgsrv("in", "out/", "--manifest", "run.jsonl", "--jobs", "1")
    whole = Path("run.jsonl").read_bytes()
    Path("run.jsonl").write_bytes(whole[:-20])
    torn = len(whole.splitlines(keepends=True)[-1]) - 20
    capsys.readouterr()

    assert imgsrv("in", "out/", "--manifest", "run.jsonl") == 0

    said = capsys.readouterr().err
    assert f"imgsrv: run.jsonl: the last line had no end, as after a crash; its {torn} bytes are removed" in said
    assert "1 converted, 0 failed, 2 done before" in said
    assert [state for _, state in states()] == ["done"] * 3
    assert len({name for name, _ in states()}) == 3


@pytest.mark.parametrize("kept", [1, 12, 60])
def test_a_manifest_of_which_only_the_first_bytes_were_written_begins_anew(imgsrv: Convert, kept: int) -> None:
    imgsrv("in", "out/", "--manifest", "run.jsonl")
    Path("run.jsonl").write_bytes(Path("run.jsonl").read_bytes()[:kept])

    assert imgsrv("in", "out/", "--manifest", "run.jsonl") == 0

    assert len(states()) == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(SQUARE.replace(b"\n", b""), "line 1 of run.jsonl is no record", id="picture-of-one-line"),
        pytest.param(SQUARE, "line 1 of run.jsonl is no record", id="picture"),
        pytest.param(b"notes", "line 1 of run.jsonl is no record", id="text-without-an-end"),
        pytest.param(b'{"status": "done"}\n', "it needs status, source, target", id="lacks-names"),
        pytest.param(b'[1]\n{"status": "run"', "line 1", id="a-list"),
        pytest.param(b'{"status": "run", "recipe": 1}\n', "it needs status, recipe", id="odd-recipe"),
        pytest.param(b"[" * 100_000 + b"\n", "line 1", id="nested-deeply"),
        pytest.param(b"x" * ((1 << 20) + 5) + b"\n", "line 1", id="long-line"),
    ],
)
def test_a_file_that_is_no_manifest_is_refused_and_left_as_it_is(imgsrv: Convert, content: bytes, message: str) -> None:
    Path("run.jsonl").write_bytes(content)

    with pytest.raises(BadArgument, match=message):
        imgsrv("in", "out/", "--manifest", "run.jsonl")

    assert Path("run.jsonl").read_bytes() == content


def test_a_manifest_of_another_recipe_is_refused_with_both(imgsrv: Convert) -> None:
    imgsrv("in", "out/", "flip", "--quality", "70", "--format", "jpeg", "--manifest", "run.jsonl")

    with pytest.raises(
        BadArgument,
        match=r"another recipe: 'flip' .*quality=70.* \(line 1\), and this run has 'flop' format=same; name another",
    ):
        imgsrv("in", "out/", "flop", "--manifest", "run.jsonl")


def test_a_manifest_that_another_run_writes_is_refused(imgsrv: Convert) -> None:
    recipe = Recipe(Pipeline(), Output(format="same"), Limits())  # as `convert` asks by itself
    with Manifest(Path("run.jsonl"), recipe), pytest.raises(BadArgument, match="another run writes the manifest"):
        imgsrv("in", "out/", "--manifest", "run.jsonl")

    assert imgsrv("in", "out/", "--manifest", "run.jsonl") == 0


@pytest.mark.parametrize("place", ["none/run.jsonl", "in"])
def test_a_manifest_that_cannot_be_written_is_refused_before_a_picture_is_touched(imgsrv: Convert, place: str) -> None:
    with pytest.raises(BadArgument, match=f"the manifest {place} cannot be written"):
        imgsrv("in", "out/", "--manifest", place)

    assert not Path("out").exists()


def test_a_name_that_is_no_text_is_found_again(imgsrv: Convert, capsys: pytest.CaptureFixture[str]) -> None:
    os.rename(b"in/a.png", b"in/\xff.png")  # noqa: PTH104  Path takes no bytes
    imgsrv("in", "out/", "--manifest", "run.jsonl")

    assert imgsrv("in", "out/", "--manifest", "run.jsonl") == 0

    assert "0 converted, 0 failed, 3 done before" in capsys.readouterr().err


def is_free(manifest: Path) -> bool:
    with manifest.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    source, out, manifest = tmp_path / "many", tmp_path / "out", tmp_path / "run.jsonl"
    source.mkdir()
    large = encoded(picture("RG/BY").resize((700, 700)))
    for number in range(40):
        (source / f"{number}.png").write_bytes(large)
    command = [
        *(sys.executable, "-m", "imgsrv", "convert", str(source), f"{out}/", "blur:sigma=9"),
        *("--jobs", "2", "--manifest", str(manifest)),
    ]
    running = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    wait_until(lambda: manifest.exists() and len(manifest.read_bytes().splitlines()) > 4, "some are done", 60)
    running.kill()
    assert running.wait() == -signal.SIGKILL
    # The processes of the run end with the picture that they have, and hold the manifest until then.
    wait_until(lambda: is_free(manifest), "the processes of the run have ended", 60)
    assert list(out.glob(".*.part")) == []
    before = len([state for state in states(manifest) if state[1] == "done"])

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0
    counted = re.search(r"(\d+) converted, 0 failed, (\d+) done before in ", done.stderr)
    assert counted is not None
    assert [int(number) for number in counted.groups()] == [40 - before, before]
    assert sorted(name for name, _ in states(manifest)) == sorted(f"{number}.png" for number in range(40))
    assert {opened(file.read_bytes()).size for file in out.iterdir()} == {(700, 700)}
