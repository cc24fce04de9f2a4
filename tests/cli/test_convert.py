from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pictures import drawn, encoded, opened, picture, run
from serving import wait_until

from imgsrv.bulk import work
from imgsrv.bulk.targets import Positionals, split_positionals
from imgsrv.cli import convert
from imgsrv.cli.conversion.report import BROKEN_NOTE
from imgsrv.errors import BadArgument, InvalidParameter, UnknownOperation, UnusableParameters
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.process import process_into

SQUARE = picture("RG/BY")

Convert = Callable[..., int]


@pytest.fixture(name="imgsrv")
def _imgsrv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Convert:
    """`imgsrv convert` with the given arguments, in a folder of its own with the picture square.png."""
    monkeypatch.chdir(tmp_path)
    Path("square.png").write_bytes(encoded(SQUARE))
    parser = argparse.ArgumentParser()
    convert.add_parser(parser.add_subparsers())

    def run(*arguments: str) -> int:
        parsed = parser.parse_args(["convert", *arguments])
        return int(parsed.run(parsed))

    return run


def seen(path: str) -> str:
    return drawn(opened(Path(path).read_bytes()))


def files(folder: str = ".") -> list[str]:
    return sorted(file.name for file in Path(folder).iterdir())


# ---- which argument is what --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        pytest.param(["a.png", "b.webp"], Positionals(("a.png",), "b.webp"), id="one-in-and-out"),
        pytest.param(["a.png", "B.WEBP"], Positionals(("a.png",), "B.WEBP"), id="suffix-in-capitals"),
        pytest.param(["a.png", "b.webp", "flip"], Positionals(("a.png",), "b.webp", "flip"), id="with-pipeline"),
        pytest.param(["a.png", "b.png", "out/"], Positionals(("a.png", "b.png"), "out/"), id="several-into-a-folder"),
        pytest.param(["a", "out/", "flip/flop"], Positionals(("a",), "out/", "flip/flop"), id="pipeline-of-two"),
        pytest.param(["a.png", "b.txt"], Positionals(("a.png",), "b.txt"), id="text-out"),
        pytest.param(["-", "-"], Positionals(("-",), "-"), id="standard-streams"),
        pytest.param(["-", "-", "flip"], Positionals(("-",), "-", "flip"), id="standard-streams-with-pipeline"),
    ],
)
def test_the_last_argument_is_the_pipeline_unless_it_has_the_form_of_a_target(
    paths: list[str], expected: Positionals
) -> None:
    assert split_positionals(paths) == expected


def test_an_existing_folder_is_the_target_if_it_is_the_last_argument(tmp_path: Path) -> None:
    assert split_positionals(["a.png", str(tmp_path)]) == Positionals(("a.png",), str(tmp_path))


@pytest.mark.parametrize(
    "paths",
    [
        pytest.param(["a.png"], id="only-a-picture"),
        pytest.param(["a.png", "flip"], id="no-target"),
        pytest.param(["flip"], id="only-a-pipeline"),
    ],
)
def test_without_picture_and_target_the_rule_is_explained(paths: list[str]) -> None:
    with pytest.raises(BadArgument, match="OUT is a folder, ends with / or has one of the suffixes"):
        split_positionals(paths)


# ---- one picture -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paths", "asked"),
    [
        pytest.param(["a.png", "b.webp", "resize:width=9", "flip"], "resize:width=9/flip", id="a-file"),
        pytest.param(["a.png", "b.png", "out/", "flip", "flop", "edges"], "flip/flop/edges", id="a-folder"),
    ],
)
def test_steps_in_several_arguments_are_told_to_be_one(paths: list[str], asked: str) -> None:
    with pytest.raises(BadArgument, match=f"as one argument, with slashes between them: {asked}"):
        split_positionals(paths)


def test_a_picture_goes_through_the_pipeline(imgsrv: Convert) -> None:
    assert imgsrv("square.png", "out.png", "flip/flop") == 0

    assert seen("out.png") == "YB/GR"


def test_without_pipeline_a_picture_is_only_encoded_again(imgsrv: Convert) -> None:
    imgsrv("square.png", "out.bmp")

    assert seen("out.bmp") == "RG/BY"


@pytest.mark.parametrize(
    ("name", "form"),
    [
        pytest.param("a.jpg", "JPEG", id="jpg"),
        pytest.param("a.JPEG", "JPEG", id="capitals"),
        pytest.param("a.tif", "TIFF", id="tif"),
        pytest.param("a.avif", "AVIF", id="avif"),
    ],
)
def test_the_suffix_of_the_target_gives_its_format(imgsrv: Convert, name: str, form: str) -> None:
    imgsrv("square.png", name)

    assert opened(Path(name).read_bytes()).format == form


def test_a_named_format_beats_the_suffix(imgsrv: Convert) -> None:
    imgsrv("square.png", "out.png", "--format", "gif")

    assert opened(Path("out.png").read_bytes()).format == "GIF"


def test_output_options_reach_the_encoder(imgsrv: Convert) -> None:
    imgsrv("square.png", "out.webp", "--lossless")

    assert seen("out.webp") == "RG/BY"


def test_a_broken_picture_is_converted_on_request_and_named(
    imgsrv: Convert, capsys: pytest.CaptureFixture[str]
) -> None:
    data = encoded(SQUARE.resize((90, 90)), "BMP")
    Path("cut.bmp").write_bytes(data[: len(data) // 2])
    assert imgsrv("cut.bmp", "out.png") == 1
    assert imgsrv("cut.bmp", "out.png", "--broken", "accept") == 0
    assert f"cut.bmp: {BROKEN_NOTE}" in capsys.readouterr().err
    assert opened(Path("out.png").read_bytes()).size == (90, 90)


def test_a_line_sums_up_each_conversion(imgsrv: Convert, capsys: pytest.CaptureFixture[str]) -> None:
    imgsrv("square.png", "out.png", "resize:width=1")

    size = Path("out.png").stat().st_size
    assert capsys.readouterr().err == f"out.png: 1×1, {size} bytes\n"


def test_an_existing_target_is_replaced(imgsrv: Convert) -> None:
    Path("out.png").write_text("old")

    imgsrv("square.png", "out.png")

    assert seen("out.png") == "RG/BY"


def test_a_new_file_has_the_permissions_of_any_new_file(imgsrv: Convert) -> None:
    imgsrv("square.png", "out.png")

    Path("plain").touch()
    assert Path("out.png").stat().st_mode == Path("plain").stat().st_mode


# ---- many pictures -----------------------------------------------------------------------------------


def test_a_folder_stands_for_its_pictures_without_those_of_subfolders(imgsrv: Convert) -> None:
    Path("in/below").mkdir(parents=True)
    for name in ("a.png", "B.PNG", "notes.txt", "below/c.png"):
        Path("in", name).write_bytes(encoded(SQUARE))

    assert imgsrv("in", "out/", "flop") == 0

    assert files("out") == ["B.PNG", "a.png"]


def test_what_is_left_out_of_a_folder_is_named(imgsrv: Convert, capsys: pytest.CaptureFixture[str]) -> None:
    Path("in/below").mkdir(parents=True)
    for name in ("a.png", ".hidden.png", "notes.txt", "b.doc", "c.doc", "d.doc", "e.doc", "below/c.png"):
        Path("in", name).write_bytes(encoded(SQUARE))

    assert imgsrv("in", "out/") == 0

    said = capsys.readouterr().err
    assert "imgsrv: not looked into: in/below; --recursive takes their pictures too\n" in said
    assert "imgsrv: left out, no picture by its name: in/b.doc, in/c.doc, in/d.doc and 2 more files\n" in said


def test_a_file_without_a_suffix_is_a_picture_by_its_first_bytes(imgsrv: Convert) -> None:
    Path("in").mkdir()
    Path("in/IMG_0001").write_bytes(encoded(SQUARE, "JPEG"))
    Path("in/README").write_text("no picture")

    assert imgsrv("in", "out/") == 0

    assert files("out") == ["IMG_0001.jpg"]


def test_recursively_the_folders_of_the_results_are_those_of_the_pictures(imgsrv: Convert) -> None:
    for folder in ("in/a/b", "in/.git", "elsewhere"):
        Path(folder).mkdir(parents=True)
    for name in ("top.png", "a/one.png", "a/b/two.gif", "a/b/one.png", ".git/hidden.png"):
        Path("in", name).write_bytes(encoded(SQUARE, name[-3:]))
    Path("elsewhere/linked.png").write_bytes(encoded(SQUARE))
    Path("in/link").symlink_to("../elsewhere")

    assert imgsrv("--recursive", "in", "in/out/", "flip", "--format", "webp") == 0
    # The results lie in the folder itself, and are no pictures of the next run.
    assert imgsrv("--recursive", "in", "in/out/", "flip", "--format", "webp") == 0

    made = sorted(str(file.relative_to("in/out")) for file in Path("in/out").rglob("*") if file.is_file())
    assert made == ["a/b/one.webp", "a/b/two.webp", "a/one.webp", "top.webp"]


def test_results_that_exist_are_passed_over_on_request(imgsrv: Convert, capsys: pytest.CaptureFixture[str]) -> None:
    Path("other.png").write_bytes(encoded(SQUARE))
    Path("out").mkdir()
    Path("out/square.png").write_text("kept")

    assert imgsrv("square.png", "other.png", "out/", "flip", "--skip-existing") == 0

    assert Path("out/square.png").read_text() == "kept"
    assert seen("out/other.png") == "BY/RG"
    assert "1 converted, 0 failed, 1 skipped that exist in" in capsys.readouterr().err


def test_a_result_that_exists_is_an_error_of_its_picture_on_request(
    imgsrv: Convert, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("other.png").write_bytes(encoded(SQUARE))
    Path("out").mkdir()
    Path("out/square.png").write_text("kept")

    assert imgsrv("square.png", "other.png", "out/", "flip", "--no-overwrite") == 1

    assert Path("out/square.png").read_text() == "kept"
    assert files("out") == ["other.png", "square.png"]
    assert "square.png: out/square.png exists, and --no-overwrite is given" in capsys.readouterr().err


def test_a_result_that_appears_during_the_conversion_is_not_overwritten(
    imgsrv: Convert, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(file, data, *rest):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN002, ANN202  stands in for any call
        Path("out.png").write_text("of another")
        return process_into(file, data, *rest)

    monkeypatch.setattr(work, "process_into", slow)

    assert imgsrv("square.png", "out.png", "--no-overwrite") == 1

    assert Path("out.png").read_text() == "of another"
    assert files() == ["out.png", "square.png"]


def test_a_dry_run_tells_what_would_be_written_and_writes_nothing(
    imgsrv: Convert, capsys: pytest.CaptureFixture[str]
) -> None:
    assert imgsrv("--dry-run", "square.png", "out/", "--format", "webp") == 0

    said = capsys.readouterr()
    assert said.out == "square.png → out/square.webp\n"
    assert said.err == "1 would be converted\n"
    assert files() == ["square.png"]


def test_pictures_of_a_folder_get_the_suffix_of_the_given_format(imgsrv: Convert) -> None:
    Path("photo.v2").write_bytes(encoded(SQUARE))

    imgsrv("square.png", "photo.v2", "made/here/", "--format", "jpeg")

    assert files("made/here") == ["photo.v2.jpg", "square.jpg"]


def test_pictures_of_a_folder_keep_their_format_and_get_its_suffix(imgsrv: Convert) -> None:
    Path("really-gif.png").write_bytes(encoded(SQUARE, "GIF"))
    Path("photo.jpeg").write_bytes(encoded(SQUARE, "JPEG"))

    imgsrv("really-gif.png", "photo.jpeg", "square.png", "out/")

    assert files("out") == ["photo.jpeg", "really-gif.gif", "square.png"]


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_every_picture_is_converted_on_any_number_of_processes(imgsrv: Convert, jobs: str) -> None:
    for number in range(7):
        Path(f"{number}.png").write_bytes(encoded(SQUARE))

    assert imgsrv(*(f"{number}.png" for number in range(7)), "out/", "flip", "--jobs", jobs) == 0

    assert [seen(f"out/{number}.png") for number in range(7)] == ["BY/RG"] * 7


def test_a_broken_picture_is_named_and_the_others_are_converted(
    imgsrv: Convert, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("broken.png").write_bytes(encoded(SQUARE)[:40])
    Path("text.png").write_text("hello")

    assert imgsrv("broken.png", "text.png", "square.png", "out/", "--jobs", "1") == 1

    assert files("out") == ["square.png"]
    broken, text, summary = capsys.readouterr().err.splitlines()
    assert broken.startswith("broken.png: the PNG picture cannot be decoded")
    assert text.startswith("text.png: the body is in no picture format")
    assert summary.startswith("1 converted, 2 failed in ")


def test_a_picture_over_the_pixel_limit_fails(imgsrv: Convert, capsys: pytest.CaptureFixture[str]) -> None:
    assert imgsrv("square.png", "out.png", "--max-pixels", "3") == 1

    assert "2×2 is 4e-06 megapixels; the limit is 3e-06 (--max-pixels)" in capsys.readouterr().err


def test_a_picture_that_cannot_be_written_fails_and_leaves_nothing(
    imgsrv: Convert, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("out/square.png").mkdir(parents=True)

    assert imgsrv("square.png", "out/") == 1

    assert "square.png: Is a directory" in capsys.readouterr().err
    assert files("out") == ["square.png"]


@pytest.mark.parametrize(
    ("blow", "death"),
    [
        pytest.param(lambda: os.kill(os.getpid(), signal.SIGKILL), "died of SIGKILL", id="killed"),
        pytest.param(lambda: os._exit(7), "ended with exit code 7", id="exits"),
    ],
)
def test_a_picture_that_kills_its_process_is_named_and_the_others_are_converted(
    imgsrv: Convert,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    blow: Callable[[], None],
    death: str,
) -> None:
    real = process_into

    def deadly(file, data, *rest):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN002, ANN202  stands in for any call
        if data == b"deadly":
            file.write(b"half")
            file.flush()
            blow()
        return real(file, data, *rest)

    monkeypatch.setattr(work, "process_into", deadly)
    Path("deadly.png").write_bytes(b"deadly")
    for name in "abc":
        Path(f"{name}.png").write_bytes(encoded(SQUARE))

    assert imgsrv("a.png", "deadly.png", "b.png", "c.png", "out/", "--jobs", "1") == 1

    assert f"deadly.png: the process that converted it {death}\n" in capsys.readouterr().err
    assert files("out") == ["a.png", "b.png", "c.png"]


# ---- refused before a picture is touched -------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        pytest.param(["out.png", "flipp"], UnknownOperation, "did you mean flip", id="operation"),
        pytest.param(["out.png", "blur:sigma=0"], InvalidParameter, "from 0.3 to 100", id="parameter"),
        pytest.param(["out.jpg", "--quality", "101"], InvalidParameter, "from 1 to 100", id="quality"),
        pytest.param(["out.jpg", "--format", "jepg"], InvalidParameter, "did you mean jpeg", id="format"),
        pytest.param(["out.jpg", "--format", "auto"], BadArgument, "Accept header", id="format-auto"),
        pytest.param(["out.png", "--quality", "80"], UnusableParameters, "has no use for quality", id="useless"),
        pytest.param(["none.png", "out/"], BadArgument, "there is no file none.png", id="input-not-there"),
        pytest.param(["https://a.com/a.png", "out/"], BadArgument, "https:// is no bucket: files are read", id="a-url"),
        pytest.param(["S3:/raw/*.png", "out/"], BadArgument, "objects of s3://, gs:// and az://", id="nearly-a-bucket"),
        pytest.param(["in.png", "http://a.com/out/"], BadArgument, "http:// is no bucket", id="out-is-a-url"),
        pytest.param(["out", "flip"], BadArgument, "out gives no format", id="no-format"),
        pytest.param(["square.png", "out.jpg"], BadArgument, "need a folder", id="several-into-a-file"),
        pytest.param([".", "out.jpg"], BadArgument, "need a folder", id="folder-into-a-file"),
        pytest.param(["square.png"], BadArgument, "one of the inputs", id="onto-itself"),
        pytest.param(["."], BadArgument, "one of the inputs", id="onto-itself-in-its-folder"),
        pytest.param(["./square.png", "out/"], BadArgument, "both become out/square.png", id="same-name"),
        pytest.param(["none/out.png"], BadArgument, "there is no folder none", id="no-parent"),
        pytest.param(["square.png/", "flip"], BadArgument, "cannot be made", id="folder-that-is-a-file"),
        pytest.param(["-", "out/"], BadArgument, "standard input is a single picture", id="standard-input"),
        pytest.param(["empty", "out/"], BadArgument, "there is no picture in empty", id="empty-folder"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused_before_anything_is_written(
    imgsrv: Convert, arguments: list[str], error: type[Exception], message: str
) -> None:
    Path("empty").mkdir()

    with pytest.raises(error, match=message):
        imgsrv("square.png", *arguments)

    assert files() == ["empty", "square.png"]
    assert seen("square.png") == "RG/BY"


def test_a_link_to_an_input_is_never_overwritten(imgsrv: Convert) -> None:
    Path("link.png").symlink_to("square.png")

    with pytest.raises(BadArgument, match="one of the inputs"):
        imgsrv("square.png", "link.png")


@pytest.mark.parametrize("value", ["0", "-1", "two", ""])
def test_a_number_of_processes_is_at_least_one(imgsrv: Convert, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        imgsrv("square.png", "out.png", f"--jobs={value}")

    assert "is not a whole number of at least 1" in capsys.readouterr().err


def test_every_output_parameter_is_an_option(imgsrv: Convert, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        imgsrv("--help")

    help_text = capsys.readouterr().out
    assert [name for name in Output.model_fields if f"--{name.replace('_', '-')}" not in help_text] == []


def test_the_help_fits_a_terminal_of_80_columns(
    imgsrv: Convert, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit, match="0"):
        imgsrv("--help")

    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if len(line) > 80 and not line.startswith("  imgsrv convert ")] == []
    assert "  --metadata strip|copyright|keep" in lines


# ---- as a process ------------------------------------------------------------------------------------


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "imgsrv", "convert", *arguments]


def test_standard_input_is_converted_to_standard_output_without_messages() -> None:
    done = subprocess.run(
        command("-", "-", "flop", "--format", "bmp"), input=encoded(SQUARE), capture_output=True, check=True
    )

    assert opened(done.stdout).format == "BMP"
    assert drawn(opened(done.stdout)) == "GR/YB"
    assert done.stderr == b""


def test_standard_input_that_is_no_picture_gives_no_output_and_exit_code_1() -> None:
    done = subprocess.run(command("-", "-"), input=b"hello", capture_output=True, check=False)

    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"standard input: the body is in no picture format")


def test_standard_input_is_converted_to_a_file(tmp_path: Path) -> None:
    target = tmp_path / "out.png"

    subprocess.run(command("-", str(target)), input=encoded(SQUARE), check=True, capture_output=True)

    assert seen(str(target)) == "RG/BY"


def test_arguments_that_cannot_be_used_give_exit_code_2(tmp_path: Path) -> None:
    done = subprocess.run(
        command(str(tmp_path / "none.png"), "out.png"), capture_output=True, check=False, cwd=tmp_path, text=True
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("imgsrv: there is no file")


def test_an_interrupt_stops_every_process_and_leaves_no_half_file(tmp_path: Path) -> None:
    large = encoded(SQUARE.resize((1000, 1000)))
    for number in range(100):
        (tmp_path / f"{number}.png").write_bytes(large)
    out = tmp_path / "out"
    arguments = command(str(tmp_path), f"{out}/", "blur:sigma=20", "--format", "avif", "--jobs", "2")
    running = subprocess.Popen(
        arguments,
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs the tests in its background has them ignore SIGINT, and their children too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  no thread is running yet
    )
    wait_until(lambda: any(out.glob("*.avif")), "a picture is converted")

    os.killpg(running.pid, signal.SIGINT)
    _, errors = running.communicate(timeout=30)

    assert running.returncode == 130
    assert re.fullmatch(
        r"\d+ converted, 0 failed in [\d.]+ s, [\d,]+ bytes written; interrupted, \d+ not converted: "
        r"--skip-existing goes on from here\n",
        errors,
    )
    assert [name for name in files(str(out)) if name.endswith(".part")] == []
    with pytest.raises(ProcessLookupError):
        os.killpg(running.pid, 0)


# ---- placeholders ------------------------------------------------------------------------------------


def test_a_placeholder_is_written_as_text(imgsrv: Convert) -> None:
    assert imgsrv("square.png", "hash.txt", "flip", "--format", "thumbhash") == 0

    assert Path("hash.txt").read_bytes() == run(encoded(SQUARE), "flip", format="thumbhash")


def test_placeholders_of_several_pictures_get_the_suffix_of_texts(imgsrv: Convert) -> None:
    assert imgsrv("square.png", "out/", "--format", "lqip") == 0

    assert files("out") == ["square.txt"]


def test_a_message_about_targets_names_no_format_that_is_only_read(imgsrv: Convert) -> None:
    with pytest.raises(BadArgument, match=r"one of \.jpg, .* and \.jxl$") as refused:
        imgsrv("square.png", "out", "flip")

    assert ".svg" not in str(refused.value)


def test_a_target_for_text_needs_a_placeholder_format(imgsrv: Convert) -> None:
    with pytest.raises(BadArgument, match="gives no format"):
        imgsrv("square.png", "hash.txt")
