"""The PM2 table of docs/operating.md: every command on its right side works."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from background import background

from imgsrv.cli.main import run

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

DOCUMENT = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")

ROWS = re.findall(r"^\| (`pm2 .*?) \| `imgsrv ([^`]*)` \|", DOCUMENT, re.MULTILINE)

COMMANDS = [command for _names, command in ROWS]

NAMES = [(name, command.split()[0]) for names, command in ROWS for name in re.findall(r"`pm2 (\S+?)[ `]", names)]
"""What pm2 calls a command, and what it is called here."""

ENDLESS = {"monit", "logs -f"}
"""They end with a key; test_monit.py and test_logs.py press it."""


@pytest.mark.timeout(400)
def test_every_command_of_the_table_works_in_its_order(tmp_path: Path) -> None:
    assert len(COMMANDS) >= 16
    assert set(COMMANDS) >= ENDLESS
    with background(tmp_path) as place:
        for command in COMMANDS:
            if command in ENDLESS:
                continue
            if command == "stop now":
                # The row before it has stopped the instance.
                place.start("--workers", "1")
            port = ["--port", "0"] if command.startswith("start") else []
            done = place.imgsrv(*shlex.split(command), *port)
            assert done.returncode == 0, (command, done.stderr)


@pytest.mark.parametrize(("name", "command"), sorted(set(NAMES)))
def test_a_command_of_pm2_works_here_or_its_error_names_the_one_that_does(
    name: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run([name, "--help"])
    said = capsys.readouterr()
    assert name == command or f"did you mean {command}?" in said.err
