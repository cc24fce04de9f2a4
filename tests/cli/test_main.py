"""`imgsrv`: a command imports what it needs, and an output that nobody reads ends it quietly."""

from __future__ import annotations

import subprocess
import sys

import pytest

from imgsrv.cli.main import whole_parser

CODECS = {"cv2", "numpy", "PIL"}

OF_A_SERVER = {"asyncio", "falcon", "pydantic", "structlog"}


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        pytest.param(["--version"], CODECS | OF_A_SERVER, id="version"),
        pytest.param(["--help"], CODECS | OF_A_SERVER, id="help"),
        pytest.param(["no-command"], CODECS | OF_A_SERVER, id="no-command"),
        pytest.param(["list"], CODECS | OF_A_SERVER, id="list"),
        pytest.param(["status", "--all"], CODECS | OF_A_SERVER, id="status"),
        pytest.param(["stop"], CODECS | OF_A_SERVER, id="stop"),
        pytest.param(["logs"], CODECS | OF_A_SERVER, id="logs"),
        pytest.param(["monit"], CODECS | OF_A_SERVER, id="monit"),
        pytest.param(["completion", "zsh"], CODECS | OF_A_SERVER, id="completion"),
        pytest.param(["keys", "list", "--file", "none"], CODECS | OF_A_SERVER, id="keys"),
        pytest.param(["sign", "--new-secret", "x"], CODECS | OF_A_SERVER, id="sign"),
        pytest.param(["config"], CODECS, id="config"),
        pytest.param(["systemd-unit"], CODECS, id="systemd-unit"),
    ],
)
def test_a_command_imports_no_more_than_it_needs(arguments: list[str], heavy: set[str], tmp_path: object) -> None:
    code = (
        f"import sys; sys.argv = ['imgsrv', *{arguments!r}]\n"
        "from imgsrv.cli.main import run\n"
        "try: run(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        f"print(sorted({heavy!r} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=str(tmp_path), capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_an_output_that_nobody_reads_ends_the_command_quietly() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "imgsrv", "operations", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as command:
        assert command.stdout is not None
        assert command.stderr is not None
        command.stdout.close()
        said = command.stderr.read()

    assert (command.returncode, said) == (141, b"")


def test_the_help_of_all_commands_names_each_with_what_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "90")
    said = subprocess.run([sys.executable, "-m", "imgsrv", "--help"], capture_output=True, text=True, check=True).stdout

    assert said == whole_parser().format_help()
