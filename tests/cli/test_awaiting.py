"""The last lines of the log, which `imgsrv start` shows if a start fails."""

from __future__ import annotations

import json
from pathlib import Path

from imgsrv.cli._awaiting import last_lines


def test_a_traceback_that_several_workers_log_is_shown_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    record = {"event": "hook_failed", "level": "error", "exception": "Traceback: no such module"}
    log.write_text("".join(json.dumps({**record, "slot": slot}) + "\n" for slot in range(5)), encoding="utf-8")

    shown = "\n".join(last_lines(log))

    assert shown.count("hook_failed") == 5
    assert shown.count("Traceback") == 1


def test_a_line_that_is_no_record_is_shown_unchanged(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("Segmentation fault\n[]\n", encoding="utf-8")

    assert last_lines(log) == ["Segmentation fault", "[]"]
