"""`python bench/peers/install.py`: install the servers that bench/test_peers.py compares with.

Their versions are pinned in package.json and requirements-*.txt beside this file.  All goes into bench/peers/installed,
which is not part of the project: node's packages there, each Python server into an environment of its own.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent
INSTALLED = HERE / "installed"
"""Where the servers find what they need."""


def main() -> int:
    """Install what can be installed, and say what cannot; the exit code."""
    INSTALLED.mkdir(exist_ok=True)
    failed = [
        name for name, install in (("node", _node), ("thumbor", _python), ("falcon", _python)) if not install(name)
    ]
    for name in failed:
        print(f"not installed: {name}; its servers will be left out", file=sys.stderr)
    return len(failed)


def _node(_name: str) -> bool:
    if shutil.which("npm") is None:
        print("there is no npm; install node 20 or newer", file=sys.stderr)
        return False
    shutil.copy(HERE / "package.json", INSTALLED)
    command = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund"]
    return subprocess.run(command, cwd=INSTALLED, check=False).returncode == 0


def _python(name: str) -> bool:
    folder = INSTALLED / name
    venv.create(folder, with_pip=True, clear=True)
    command = [str(folder / "bin" / "pip"), "install", "-q", "-r", str(HERE / f"requirements-{name}.txt")]
    return subprocess.run(command, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
