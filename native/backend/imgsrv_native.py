"""The libraries of the native decoder, compiled by Zig from `native/src`.

They need no other library, not even libc, so they run on every Linux of their machine.

    python native/backend/imgsrv_native.py

makes those of this machine and puts them into the sources; the wheel `ziglang` has to be installed.
"""

from __future__ import annotations

import platform
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

SOURCE = Path("native", "src", "root.zig")

FOLDER, NAME = Path("imgsrv", "imaging", "codecs", "native"), "imgsrv_jpeg-{}"
"""Where imgsrv looks for the libraries, and their names without a suffix, by the processor."""

COMPILER = "ziglang==0.15.2"

LIMIT_S = 600
"""Longest time that the compiler takes."""

MACHINES: dict[str, tuple[str, ...]] = {"x86_64": ("x86_64_v2", "x86_64_v3"), "aarch64": ("generic",)}
"""The processors that a library is made for, for each machine."""


class CompilerFails(Exception):
    """The compiler gives no library; the text is what it says."""


def this_machine() -> str:
    """The machine that this is; empty for one that no library is made for."""
    machine = platform.machine() if sys.platform == "linux" else ""
    return machine if machine in MACHINES else ""


def has_compiler() -> bool:
    """Whether the wheel with the compiler is installed."""
    return find_spec("ziglang") is not None


def compile_library(machine: str, processor: str, library: Path) -> None:
    """Write the library for a processor of a machine.  Raises CompilerFails."""
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as cache:
        made = Path(cache, "made.so")
        command = [
            *(sys.executable, "-m", "ziglang", "build-lib", "-dynamic", "-O", "ReleaseSafe", "-fstrip"),
            *("-target", f"{machine}-linux-none", "-mcpu", processor, "--name", "imgsrv_jpeg"),
            *(f"-femit-bin={made}", "--cache-dir", cache, "--global-cache-dir", cache, str(ROOT / SOURCE)),
        ]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=LIMIT_S)
        except subprocess.CalledProcessError as error:
            raise CompilerFails(f"Zig fails for {processor}: {error.stderr[-2000:]}") from error
        except subprocess.TimeoutExpired as error:
            raise CompilerFails(f"Zig does not end within {LIMIT_S} s") from error
        # A process may have the library of before in its memory: that file stays as it is.
        library.unlink(missing_ok=True)
        library.write_bytes(made.read_bytes())


def main() -> None:
    """Compile the libraries of this machine into the sources."""
    machine = this_machine()
    if not (machine and has_compiler()):
        raise SystemExit(f"the decoder is made on Linux, on {' or '.join(MACHINES)}, with {COMPILER} installed")
    for processor in MACHINES[machine]:
        library = ROOT / FOLDER / f"{NAME.format(processor)}.so"
        compile_library(machine, processor, library)
        print(library)


if __name__ == "__main__":
    main()
