"""`imgsrv serve`: its output at the start, on a terminal and elsewhere."""

from __future__ import annotations

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
    server = Server("--workers", "2", "--log-format", "text", "--max-body", "5MB", "--max-pixels", "20000000")
    try:
        assert server.process.stdout is not None
        lines: list[str] = []
        for line in server.process.stdout:
            lines.append(line.rstrip("\n"))
            if "Ctrl-C" in line:
                break
        yield server, lines
    finally:
        server.stop()


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


def test_without_a_terminal_there_is_no_banner() -> None:
    server = Server("--workers", "1")
    try:
        server.wait_ready()
        server.process.terminate()
        server.wait_exit()
        assert server.process.stdout is not None
        assert server.process.stdout.read() == ""
        assert server.other_lines == []
    finally:
        server.stop()


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
        pytest.param(["--verbose"], "required: COMMAND; see `imgsrv --help`", id="no-command"),
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
