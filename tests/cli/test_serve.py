"""`imgsrv serve`: its output at the start, on a terminal and elsewhere."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from pictures import SAMPLES
from serving import Server, serving, wait_until

from imgsrv import __version__
from imgsrv.cli._control_client import ask
from imgsrv.cli.main import run
from imgsrv.imaging.codecs.native import jpeg as native_jpeg
from imgsrv.pool.control.instances import Place


@pytest.fixture(scope="module")
def bannered() -> Iterator[tuple[Server, list[str]]]:
    """A server on a terminal, and the lines of its banner."""
    near, far = os.openpty()
    flags = ("--workers", "2", "--log-format", "text", "--max-body", "5MB", "--max-pixels", "20000000")
    server = Server(*flags, output=far)
    try:
        lines: list[str] = []
        with open(near, encoding="utf-8", closefd=False) as terminal:
            for line in terminal:
                lines.append(line.rstrip("\n"))
                if "Ctrl-C" in line:
                    break
        yield server, lines
    finally:
        server.stop()
        os.close(near)
        os.close(far)


def test_the_banner_names_version_address_workers_and_limits(bannered: tuple[Server, list[str]]) -> None:
    _server, lines = bannered
    first, second = lines[1:3]
    assert first.startswith(f"  imgsrv {__version__} serves on http://127.0.0.1:")
    assert second == "  2 workers · bodies up to 5.0MB · pictures up to 20 megapixels · 30 s a picture"


@pytest.mark.parametrize("number", range(3), ids=["one-operation", "a-pipeline", "the-catalogue"])
def test_each_of_the_three_commands_of_the_banner_works(
    bannered: tuple[Server, list[str]], tmp_path: Path, number: int
) -> None:
    _server, lines = bannered
    commands = [line.strip() for line in lines if line.strip().startswith("curl ")]
    assert len(commands) == 3
    (tmp_path / "photo.jpg").write_bytes((SAMPLES / "coffee.jpg").read_bytes())
    done = subprocess.run(
        [*shlex.split(commands[number]), "--fail", "--silent", "--show-error"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    made = [file.read_bytes()[:4] for file in tmp_path.iterdir() if file.name.startswith("small")]
    assert made == [[b"\xff\xd8\xff\xe0"], [b"RIFF"], []][number]


def test_the_log_on_a_terminal_is_text(bannered: tuple[Server, list[str]]) -> None:
    server, _lines = bannered
    wait_until(lambda: any("serving" in line for line in server.other_lines), "it is logged")
    assert server.events == []
    assert any("worker_ready" in line and "slot=0" in line for line in server.other_lines)


@pytest.mark.parametrize("style", ["auto", "json", "text"])
def test_what_collects_logs_gets_a_line_for_each_event_and_no_banner(style: str) -> None:
    server = Server("--workers", "1", "--log-format", style)
    try:
        told = server.other_lines if style == "text" else server.events
        wait_until(lambda: any("serving" in str(line) for line in list(told)), "it serves")
        server.process.terminate()
        server.wait_exit()
        assert server.process.stdout is not None
        assert server.process.stdout.read() == ""
        assert (server.events if style == "text" else server.other_lines) == []
        # A record of the text has the date and the time before the event.
        assert [line for line in server.other_lines if not re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S", line)] == []
    finally:
        server.stop()


def test_too_few_descriptors_are_told_at_once_with_what_there_is_and_what_it_takes() -> None:
    words = f"ulimit -n 20; exec {shlex.quote(sys.executable)} -m imgsrv serve --port 0 --workers 3"
    done = subprocess.run(["/bin/bash", "-c", words], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith(
        "imgsrv: a process may have only 20 files and connections open, and with 3 workers it needs at least "
    )
    assert "LimitNOFILE=65536" in done.stderr


WITHOUT_TURBO = "import sys; sys.modules['pylibjxl'] = None; from imgsrv.cli.main import main; main()"


def test_a_missing_extra_for_the_jpeg_fast_path_is_logged_once_and_shown_by_describe() -> None:
    with serving("--workers", "2", program=[sys.executable, "-c", WITHOUT_TURBO]) as server:
        (logged,) = server.named("jpeg_fast_path_missing")
        assert logged["extra"] == "turbo"
        assert logged["reason"]
        assert ask(Place(server.folder, "default"), "describe")["extras"]["turbo"] is None


WITHOUT_DECODER = (
    "from pathlib import Path; glob = Path.glob;"
    "Path.glob = lambda self, pattern, **options: [] if 'imgsrv_jpeg' in pattern else glob(self, pattern, **options);"
    "from imgsrv.cli.main import main; main()"
)


def test_a_missing_jpeg_decoder_is_logged_once_and_shown_by_describe() -> None:
    with serving("--workers", "2", program=[sys.executable, "-c", WITHOUT_DECODER]) as server:
        (logged,) = server.named("jpeg_decoder_missing")
        assert "installed without it" in logged["reason"]
        found = ask(Place(server.folder, "default"), "describe")["jpeg_decoder"]
        assert found == {"processor": None, "missing": logged["reason"]}


@pytest.mark.skipif(not native_jpeg.IS_HERE, reason=native_jpeg.WHY_MISSING)
def test_describe_shows_what_processor_the_jpeg_decoder_is_made_for(bannered: tuple[Server, list[str]]) -> None:
    server, _lines = bannered
    assert server.named("jpeg_decoder_missing") == []
    found = ask(Place(server.folder, "default"), "describe")["jpeg_decoder"]
    assert found == {"processor": native_jpeg.PROCESSOR, "missing": None}


def test_the_descriptor_limit_is_raised_to_the_hard_limit(bannered: tuple[Server, list[str]]) -> None:
    server, _lines = bannered
    soft, hard = psutil.Process(server.pid).rlimit(psutil.RLIMIT_NOFILE)
    assert soft == hard


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(["serve", "--prot", "1"], "no argument --prot; did you mean --port?", id="an-unknown-flag"),
        pytest.param(["convert", "a.jpg", "b.jpg", "--jbos=2"], "did you mean --jobs?", id="with-a-value"),
        pytest.param(["config", "--zzz"], "no argument --zzz; see `imgsrv config --help`", id="like-none"),
        pytest.param(["srve"], "there is no command 'srve'; did you mean serve?", id="an-unknown-command"),
        pytest.param(["delete", "all"], "there is no command 'delete'; did you mean stop?", id="of-pm2"),
        pytest.param(["--verbose"], "there is no option --verbose; see `imgsrv --help`", id="no-command"),
        pytest.param(["--port", "80", "serve"], "it: `imgsrv serve --port …`", id="an-option-before-the-command"),
        pytest.param(["scale"], "imgsrv scale: the following arguments are required: N", id="no-argument"),
        pytest.param(["config", "a", "b"], "'a' is one argument too many", id="too-many"),
    ],
)
def test_a_wrong_command_line_ends_with_status_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(arguments)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_without_arguments_the_commands_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    assert "examples:\n  imgsrv serve" in capsys.readouterr().err


def test_a_wrong_setting_ends_with_status_2_before_anything_is_started(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", "--workers", "0"]) == 2
    assert capsys.readouterr().err.startswith("imgsrv: --workers=0: it must be max or auto")


def test_an_address_that_cannot_be_listened_on_ends_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", "--host", "192.0.2.1"]) == 2
    assert "no interface of this machine has that address" in capsys.readouterr().err


def test_the_version_is_printed() -> None:
    done = subprocess.run([sys.executable, "-m", "imgsrv", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"imgsrv {__version__}\n"
