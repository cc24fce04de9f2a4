"""`imgsrv`: a command imports what it needs, and an output that nobody reads ends it quietly."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODECS = {"cv2", "numpy", "PIL"}

OF_A_SERVER = {"asyncio", "falcon", "pydantic", "structlog"}


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [(["--version"], CODECS | OF_A_SERVER), (["list"], CODECS | OF_A_SERVER), (["config"], CODECS)],
    ids=["version", "list", "config"],
)
def test_a_command_imports_no_more_than_it_needs(arguments: list[str], heavy: set[str], tmp_path: object) -> None:
    code = (
        f"import sys; sys.argv = ['imgsrv', *{arguments!r}]\n"
        "from imgsrv.cli.main import run\n"
        "run(sys.argv[1:])\n"
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
