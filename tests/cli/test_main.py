"""`imgsrv`: a command imports what it needs, and an output that nobody reads ends it quietly."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from imgsrv.cli.main import MODULES, OPERATE, whole_parser

HEAVY = {"PIL", "cv2", "falcon", "multiprocessing", "numpy", "pydantic", "structlog", "uvloop"}
"""Modules that take 30 ms or more of a processor, which no command loads that neither serves nor converts."""

TABLES = HEAVY | {"asyncio"}
"""For a command that draws a table, for which it loads rich, in 30 ms."""

SAMPLE = str(Path(__file__).parents[2] / "samples" / "coffee.jpg")

LIGHT = TABLES | {"rich"}


COMMAND_LINES: dict[str, tuple[list[str], set[str]]] = {
    "version": (["--version"], LIGHT),
    "help": (["--help"], LIGHT),
    "no-command": (["no-command"], LIGHT),
    "no-option": (["--no-option"], LIGHT),
    "an-option-before-the-command": (["--port", "80", "serve"], LIGHT),
    "list": (["list"], LIGHT),
    "status": (["status", "--all"], LIGHT),
    "stop": (["stop"], LIGHT),
    "logs": (["logs"], LIGHT),
    "monit": (["monit"], TABLES),
    "completion": (["completion", "zsh"], LIGHT),
    "keys": (["keys", "list", "--file", "none"], LIGHT),
    "keys-of-the-configuration": (["keys", "list"], LIGHT),
    "sign": (["sign", "--new-secret", "x"], LIGHT),
    "config": (["config"], LIGHT),
    "config-json": (["config", "--json"], LIGHT),
    "config-of-given-settings": (["config", "--max-body", "1GB", "--user", "root"], LIGHT),
    "config-check": (["config", "--check", "--port", "0"], LIGHT),
    "config-with-a-fault": (["config", "--prot", "0"], LIGHT),
    "systemd-unit": (["systemd-unit"], LIGHT),
    "systemd-unit-of-given-settings": (["systemd-unit", "--port", "80"], LIGHT),
    "help-of-serve": (["serve", "--help"], LIGHT),
    "serve-with-a-fault": (["serve", "--port", "x"], LIGHT),
    "help-of-start": (["start", "--help"], LIGHT),
    "start-with-a-fault": (["start", "--port", "x"], LIGHT),
    "help-of-cache": (["cache", "--help"], LIGHT),
    "cache": (["cache", "stats", "--cache-dir", "."], HEAVY | {"rich"}),
    "help-of-fonts": (["fonts", "--help"], LIGHT),
    "fonts": (["fonts"], TABLES),
    "fonts-of-given-settings": (["fonts", "--font-dir", "."], TABLES),
    "help-of-bench": (["bench", "--help"], LIGHT),
    "help-of-convert": (["convert", "--help"], LIGHT),
    "convert-with-a-fault": (["convert", "--qualty", "5", "a.jpg", "b.jpg"], LIGHT),
    "convert": (["convert", SAMPLE, "small.webp", "resize:width=30"], {"rich", "ssl", "urllib.request", "falcon"}),
    "help-of-operations": (["operations", "--help"], LIGHT),
    "operations": (["operations"], TABLES),
    "one-operation": (["operations", "resize"], TABLES),
    "no-operation": (["operations", "reszie"], LIGHT),
    "operations-json": (["operations", "--json"], LIGHT),
    "operations-markdown": (["operations", "--markdown"], LIGHT),
}
"""Commands, and what each does without."""


@pytest.mark.parametrize(("arguments", "heavy"), COMMAND_LINES.values(), ids=COMMAND_LINES)
def test_a_command_imports_no_more_than_it_needs(arguments: list[str], heavy: set[str], tmp_path: Path) -> None:
    code = (
        f"import sys; sys.argv = ['imgsrv', *{arguments!r}]\n"
        "from imgsrv.cli.main import run\n"
        "try: run(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        f"print(sorted({heavy!r} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_command_stands_in_the_list_above() -> None:
    named = {arguments[0] for arguments, _heavy in COMMAND_LINES.values()}

    assert {module.rpartition(".")[2].replace("_", "-") for module in MODULES if module != OPERATE} <= named


@pytest.mark.parametrize("line", ["imgsrv convert --format ", "imgsrv serve --log-level ", "imgsrv operations re"])
def test_a_shell_that_asks_waits_for_no_heavy_module(line: str, tmp_path: Path) -> None:
    asked = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "IFS": "\n"}
    code = (
        "import atexit, os, sys; from imgsrv.cli.main import run\n"
        f"leave = lambda _status: print(sorted({LIGHT!r} & set(sys.modules)))\n"
        "os._exit = leave\n"
        "try: run([])\n"
        "except SystemExit: pass\n"
    )
    environment = {**os.environ, **asked, "_ARGCOMPLETE_STDOUT_FILENAME": str(tmp_path / "words")}

    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)

    assert done.stdout.splitlines()[:1] == ["[]"], done.stderr
    assert (tmp_path / "words").read_text()


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
