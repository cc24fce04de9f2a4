"""The native decoder in the sources: servers under test run from there, where no installation puts it."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[3]

PROGRAM = ROOT / "native" / "backend" / "imgsrv_native.py"


def make_decoder() -> None:
    """Compile the decoder if it is missing or older than its source.

    Does nothing without the wheel `ziglang`, and in a copy without `native/`, which has no sources of imgsrv either.
    Raises CalledProcessError if it cannot be compiled.
    """
    if find_spec("ziglang") is None or not PROGRAM.exists():
        return
    made = [file.stat().st_mtime for file in (ROOT / "imgsrv" / "imaging" / "codecs" / "native").glob("*.so")]
    newest = max(file.stat().st_mtime for file in (*(ROOT / "native" / "src").iterdir(), PROGRAM))
    if not made or min(made) < newest:
        subprocess.run([sys.executable, str(PROGRAM)], check=True, stdout=subprocess.DEVNULL)
