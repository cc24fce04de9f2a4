"""Settings that the start of a server reads: each holds without the others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_the_times_of_this_machine_are_read_without_a_folder_of_fonts(tmp_path: Path) -> None:
    file = tmp_path / "weights.json"
    file.write_text("no times")
    command = [
        sys.executable,
        "-m",
        "imgsrv",
        "serve",
        "--port=0",
        f"--weights-file={file}",
        f"--runtime-dir={tmp_path}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "weights" in done.stderr
