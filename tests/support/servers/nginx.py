"""A real nginx, with its state in a folder of the test."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from serving import wait_until

PROGRAM = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin") or ""

ALONE = "master_process off;"
"""One process, which does not change its user."""

PATHS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@contextlib.contextmanager
def running_nginx(
    folder: Path, http: str, is_there: Callable[[], bool], *, processes: int = 1, before: str = ""
) -> Iterator[None]:
    """Run nginx during the block.

    http: the text of its block `http`.  is_there: says whether it listens.  before: directives in front of the blocks.
    """
    paths = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in PATHS)
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"{before} daemon off; worker_processes {processes}; pid {folder}/nginx.pid; error_log {folder}/error.log;\n"
        f"events {{ }}\nhttp {{ access_log off; {paths}\n{http}\n}}\n",
        encoding="utf-8",
    )
    process = subprocess.Popen([PROGRAM, "-c", str(configuration), "-e", str(folder / "error.log")])
    try:
        wait_until(is_there, "nginx listens")
        yield
    finally:
        process.terminate()
        process.wait(20)


def as_root() -> str:
    """The directive that lets the nginx of root read files that only root may read; empty for another user."""
    return "user root;" if os.geteuid() == 0 else ""
