"""`imgsrv`: a command imports what it needs, and an output that nobody reads ends it quietly."""

from __future__ import annotations

import subprocess
import sys

import pytest

from imgsrv.cli.main import whole_parser

CODECS = {"cv2", "numpy", "PIL"}

OF_A_SERVER = {"asyncio", "falcon", "pydantic", "structlog"}

SETTINGS_ALONE = CODECS | OF_A_SERVER - {"pydantic"} | {"rich", "imgsrv.server.boot"}
"""For a command whose only work, or whose help, is the settings: their types and bounds are pydantic's."""

FORMATS_ALONE = {"cv2", "asyncio", "falcon", "structlog", "uvloop", "imgsrv.bulk.run", "imgsrv.server.boot"}
"""For a command that knows the formats, whose rows need Pillow, or the operations, which need NumPy, by their names."""

AT_ALL = CODECS | OF_A_SERVER | {"rich", "multiprocessing"}


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
        pytest.param(["keys", "list", "--file", "none"], AT_ALL, id="keys"),
        pytest.param(["keys", "list"], AT_ALL, id="keys-of-the-configuration"),
        pytest.param(["sign", "--new-secret", "x"], AT_ALL, id="sign"),
        pytest.param(["config"], SETTINGS_ALONE, id="config"),
        pytest.param(["config", "--json"], SETTINGS_ALONE, id="config-json"),
        pytest.param(["systemd-unit"], SETTINGS_ALONE, id="systemd-unit"),
        pytest.param(["serve", "--help"], SETTINGS_ALONE, id="help-of-serve"),
        pytest.param(["serve", "--port", "x"], SETTINGS_ALONE, id="serve-with-a-fault"),
        pytest.param(["start", "--help"], SETTINGS_ALONE, id="help-of-start"),
        pytest.param(["cache", "--help"], SETTINGS_ALONE, id="help-of-cache"),
        pytest.param(["cache", "stats", "--cache-dir", "."], SETTINGS_ALONE - {"asyncio"}, id="cache"),
        pytest.param(["fonts", "--help"], SETTINGS_ALONE, id="help-of-fonts"),
        pytest.param(["bench", "--help"], AT_ALL, id="help-of-bench"),
        pytest.param(["convert", "--help"], FORMATS_ALONE | {"numpy"}, id="help-of-convert"),
        pytest.param(["operations", "--help"], FORMATS_ALONE, id="help-of-operations"),
        pytest.param(["operations", "--json"], FORMATS_ALONE, id="operations"),
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


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["operations", "--json"], id="printed"),
        pytest.param(["operations"], id="a-table"),
        pytest.param(["config"], id="lines"),
        pytest.param(["fonts"], id="fonts"),
        pytest.param(["convert", "--help"], id="help"),
    ],
)
def test_an_output_that_nobody_reads_ends_the_command_quietly(words: list[str]) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "imgsrv", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
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
