"""What a process runs out of, descriptors and memory, and who goes without first.

The kernel gives the lowest descriptor that is free, so its number tells how many are left.  The last ones are kept
for those who finish work: an engine that takes a job without one would lose it.
"""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager

from imgsrv.errors import OutOfResources

FOR_ENGINE, FOR_REPLIES, FOR_BODIES = 16, 32, 64
"""Descriptors that are left when the reply of a job, its body or a connection, in this order, gets none any more."""

RETRY_AFTER_S = 1

SHORTAGES = frozenset(
    {
        *(errno.EMFILE, errno.ENFILE, errno.ETOOMANYREFS),
        *(errno.ENOMEM, errno.ENOBUFS, errno.EAGAIN),
        *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    }
)
"""What the system says where it has not enough: of descriptors, of memory for itself, of memory in files."""


def is_scarce(descriptor: int, kept: int) -> bool:
    """Whether the descriptor is one of the last `kept`, or of the last quarter where there are few at all."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return descriptor >= limit - min(kept, limit // 4)


def refuse_scarce(descriptor: int, kept: int) -> int:
    """The descriptor; it is closed and the kernel's own error raised where it is scarce."""
    if is_scarce(descriptor, kept):
        os.close(descriptor)
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    return descriptor


@contextmanager
def needing(what: str) -> Iterator[None]:
    """Inside it, a shortage of the system becomes OutOfResources, which names `what` there is no room for."""
    try:
        yield
    except MemoryError as error:
        raise _out_of_resources(what, errno.ENOMEM) from error
    except OSError as error:
        if error.errno not in SHORTAGES:
            raise
        raise _out_of_resources(what, error.errno) from error


def _out_of_resources(what: str, number: int) -> OutOfResources:
    return OutOfResources(f"the server has no room for {what} ({os.strerror(number)})", RETRY_AFTER_S)
