"""Compress a rotated log file: `python compress.py FILE`, in its own process with the lowest priority.

It imports nothing of the package, so it starts fast.  The result has a temporary name until all of it is on the disk;
only then is the original deleted.  If this process is killed at any moment, at least one of the two files is whole.
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import os
import shutil
import stat
import sys
from pathlib import Path

EXIT_DONE, EXIT_NOT_OURS, EXIT_IN_USE = 0, 1, 75

CHUNK_BYTES = 1 << 20


def compress(file: Path) -> int:
    """Replace a file with its compressed form; return the exit status.  Raises OSError."""
    part, result = file.with_name(f"{file.name}.gz.part"), file.with_name(f"{file.name}.gz")
    # Another user may have put a link, a pipe or a second name of somebody else's file there.
    with os.fdopen(os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as source:
        found = os.fstat(source.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            return EXIT_NOT_OURS
        try:
            # The lock is held to the end, so that no process can begin to write.
            fcntl.flock(source, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return EXIT_IN_USE
        try:
            # Delete the remains of an earlier process.  O_EXCL follows no link that the workers' user may have made.
            part.unlink(missing_ok=True)
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as target:
                os.fchmod(target.fileno(), found.st_mode & 0o777)
                # The workers' user could read the original.
                with contextlib.suppress(PermissionError):
                    os.fchown(target.fileno(), found.st_uid, found.st_gid)
                with gzip.GzipFile(file.name, "wb", 6, target) as packed:
                    shutil.copyfileobj(source, packed, CHUNK_BYTES)
                target.flush()
                os.fsync(target.fileno())
            part.rename(result)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        file.unlink()
    return EXIT_DONE


if __name__ == "__main__":
    os.nice(19)
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    sys.exit(compress(Path(sys.argv[1])))
