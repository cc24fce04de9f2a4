"""`imgsrv completion`: real shells complete a line with what the command line takes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from serving import Server

from imgsrv.cli.main import run

ASK = {
    "bash": """
        eval "$(imgsrv completion bash)"
        COMP_LINE="$LINE"; COMP_POINT=${#LINE}; COMP_TYPE=9
        _python_argcomplete imgsrv 2>/dev/null
        printf '%s\\n' "${COMPREPLY[@]}"
    """,
    # The function of zsh needs a line that is edited, so its own part, the call, is asked.
    "zsh": """
        autoload -Uz compinit && compinit -D -u
        eval "$(imgsrv completion zsh)"
        export COMP_LINE="$LINE" COMP_POINT=${#LINE} _ARGCOMPLETE=1 _ARGCOMPLETE_SHELL=zsh IFS=$'\\013'
        __python_argcomplete_run imgsrv | tr '\\013' '\\n'
    """,
    "fish": """
        imgsrv completion fish | source
        complete --do-complete "$LINE"
    """,
}


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> str:
    """A PATH on which `imgsrv` is this one."""
    program = tmp_path / "imgsrv"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m imgsrv "$@"\n')
    program.chmod(0o755)
    return f"{tmp_path}:{os.environ['PATH']}"


def completions(shell: str, line: str, path: str, **more: str) -> set[str]:
    """The words that the shell offers at the end of the line, without their descriptions."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run(
        [shell, "-c", ASK[shell]],
        env={**os.environ, "PATH": path, "LINE": line, "HOME": "/nonexistent", **more},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    offered = (word.split("\t")[0].split(":")[0].strip() for word in done.stdout.splitlines())
    return {word for word in offered if word}


@pytest.mark.parametrize("shell", sorted(ASK))
def test_a_shell_completes_commands_options_and_values(shell: str, path: str) -> None:
    assert completions(shell, "imgsrv sta", path) == {"start", "status"}
    assert {"--recursive", "--no-overwrite", "--quality"} <= completions(shell, "imgsrv convert --", path)
    assert completions(shell, "imgsrv operations sharp", path) == {"sharpen"}
    assert completions(shell, "imgsrv serve --log-format ", path) == {"auto", "text", "json"}


def test_names_of_running_instances_are_completed(server: Server, path: str) -> None:
    line = "imgsrv stop --name "
    assert "default" in completions("bash", line, path, IMGSRV_RUNTIME_DIR=str(server.folder))


def test_another_shell_is_refused_with_those_that_are_known(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(["completion", "tcsh"])

    assert "'bash', 'zsh', 'fish'" in capsys.readouterr().err
