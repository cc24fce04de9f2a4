"""The number of open descriptors of the process of the test."""

from __future__ import annotations

import gc
from pathlib import Path


def open_descriptors(*, polls: bool = True) -> int:
    """Those in use, once what earlier tests left unreachable is collected; without polls if those live longer."""
    gc.collect()
    targets = [str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
    return len([target for target in targets if polls or target != "anon_inode:[eventpoll]"])
