"""What a command does where the machine refuses: it says what was refused and what to do, in one sentence.

Each command explains the failures that it expects.  This is for all others: a disk that is full, a folder that is
closed, a current folder that was deleted, a standard file that is closed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import Any

from imgsrv.printable import printable

ADVICE = {
    errno.EACCES: "user {user} may not do this; change the mode of the file and of the folders above it, or use others",
    errno.EPERM: "user {user} may not do this; change the owner or the mode, or use another place",
    errno.EROFS: "use a place on a disk that may be written to",
    errno.ENOSPC: "make room, or use another disk",
    errno.EDQUOT: "make room within the quota, or use another disk",
    errno.EFBIG: "raise the limit that `ulimit -f` shows",
    errno.EMFILE: "raise the limit that `ulimit -n` shows",
    errno.ENFILE: "the whole machine has too many open files; end other programs or raise fs.file-max",
    errno.ENOMEM: "end other programs, or raise the limit that `ulimit -v` shows",
    errno.EAGAIN: "end other programs, or raise the limit that `ulimit -u` shows",
    errno.EIO: "look into the log of the kernel for a fault of the disk",
}
"""What to do about an error of the system, by its number."""


def open_streams() -> None:
    """Give this process three standard streams, which never fail because of a character that they cannot show.

    A descriptor that is closed is opened so that using it fails: a result is not lost in silence.  Errors are dropped.
    Without a stream in `sys.stderr`, `print` would write errors to standard output.
    """
    for descriptor, flags in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_RDWR)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, flags)  # gets the lowest number that is free
    for name, mode, descriptor in (("stdin", "r", 0), ("stdout", "w", 1), ("stderr", "w", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115  it stays open
    for stream in (sys.stdout, sys.stderr):
        # Tests put others in their place.
        if getattr(stream, "errors", None) in ("strict", "surrogateescape"):
            _as_any(stream).reconfigure(errors="backslashreplace")


def flush_output() -> OSError | None:
    """Write what is printed and not yet written; return why that fails.  Then nothing is written at the exit either."""
    try:
        sys.stdout.flush()
    except OSError as error:
        with contextlib.suppress(OSError):
            # The interpreter would flush again at its exit, and print an error.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return error
    return None


def say(message: str) -> None:
    """Print a message to standard error.  If nobody can read it, the exit status has to do."""
    try:
        print(message, file=sys.stderr, flush=True)
    except OSError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def sentence(error: OSError, *, of_output: bool = False) -> str:
    """Return what was refused, why, and what to do.  of_output: standard output has raised it."""
    reason = error.strerror or str(error)
    if of_output:
        what, reason = "standard output", "it is closed" if error.errno == errno.EBADF else reason
        return f"{what} cannot be written: {reason}" + _advice(error)
    if error.filename is None and error.errno == errno.ENOENT and _is_nowhere():
        return "the current folder does not exist any more; change to another one"
    names = [printable(str(name)) for name in (error.filename, error.filename2) if name is not None]
    return (" → ".join(names) + ": " if names else "") + reason + _advice(error)


def _advice(error: OSError) -> str:
    advice = ADVICE.get(error.errno or 0)
    return f"; {advice.format(user=os.geteuid())}" if advice else ""


def _is_nowhere() -> bool:
    try:
        os.getcwd()  # noqa: PTH109  Path.cwd() is the same call
    except OSError:
        return True
    return False


def _as_any(stream: Any) -> Any:
    return stream
