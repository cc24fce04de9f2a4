"""Shortages of descriptors and memory: how they are detected, and which use is refused first.

The kernel gives the lowest free descriptor, so its number shows how many are left.  The last ones are kept for those
who finish work: an engine that takes a job and gets no descriptor would lose it.
"""

from __future__ import annotations

import errno
import mmap
import os
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager

from imgsrv.errors import ImgsrvError, OutOfResources

FOR_ENGINE, FOR_REPLIES, FOR_BODIES = 16, 32, 64
"""Descriptors that are kept back: the reply of a job leaves the last 16 free, a body 32, a connection 64."""

RETRY_AFTER_S = 1

SHORTAGES = frozenset(
    {
        *(errno.EMFILE, errno.ENFILE, errno.ETOOMANYREFS),
        *(errno.ENOMEM, errno.ENOBUFS, errno.EAGAIN),
        *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    }
)
"""Error numbers of the system for a lack of descriptors, of memory, and of space in files."""


ALLOCATION_FAILED = re.compile(
    r"out of memory|insufficient memory|cannot allocate|allocating \d+ bytes failed", re.IGNORECASE
)
"""What codecs say of a lack of memory, in exceptions that say nothing else of it: libavif, libheif, OpenCV, libtiff."""


def lacks_memory(error: BaseException, needed: int = 0) -> bool:
    """True if an exception of a library means that memory is short.

    needed: bytes of the work that failed.  Some codecs name no reason; then a trial shows if there is room for these.
    """
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    return bool(ALLOCATION_FAILED.search(str(error)[:1000])) or not _has_room(needed)


def _has_room(size: int) -> bool:
    """True if the kernel grants so many bytes; they are given back untouched."""
    try:
        mmap.mmap(-1, max(1, size)).close()
    except (OSError, MemoryError):
        return False
    return True


def is_scarce(descriptor: int, kept: int) -> bool:
    """True if the descriptor is one of the last `kept`, or of the last quarter where the limit is low."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return descriptor >= limit - min(kept, limit // 4)


def refuse_scarce(descriptor: int, kept: int) -> int:
    """The descriptor.  If it is scarce, it is closed and OSError is raised, as the kernel would."""
    if is_scarce(descriptor, kept):
        os.close(descriptor)
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    return descriptor


@contextmanager
def needing(what: str) -> Iterator[None]:
    """Raise OutOfResources in place of an error of the system that says it is short of something.  what: needs room."""
    try:
        yield
    except MemoryError as error:
        raise out_of_resources(what, errno.ENOMEM) from error
    except OSError as error:
        if error.errno not in SHORTAGES:
            raise
        raise out_of_resources(what, error.errno) from error
    except Exception as error:
        if isinstance(error, ImgsrvError) or not lacks_memory(error):
            raise
        raise out_of_resources(what, errno.ENOMEM) from error


def out_of_resources(what: str, number: int) -> OutOfResources:
    """The error for a lack of room, by the number of an error of the system."""
    return OutOfResources(f"the server has no room for {what} ({os.strerror(number)})", RETRY_AFTER_S)
