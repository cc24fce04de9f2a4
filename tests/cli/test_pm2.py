"""The table for who comes from PM2, in docs/operating.md: what stands on its right side works."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from background import background

ROOT = Path(__file__).parents[2]

COMMANDS = re.findall(
    r"^\| `pm2 .*? \| `imgsrv ([^`]*)` \|", (ROOT / "docs" / "operating.md").read_text(encoding="utf-8"), re.MULTILINE
)

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
