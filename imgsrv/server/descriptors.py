"""How many files, sockets and pipes a process of the server may have open at once."""

from __future__ import annotations

import resource

from imgsrv.errors import BadArgument

OF_EACH, FOR_A_WORKER = 48, 14
"""Descriptors that a process needs for itself, and for each worker of the pool.

Measured: a master has 19 and 7 for each worker, twice as many during a reload; an idle worker has 34.
"""


def raise_limit(workers: int) -> None:
    """Raise the limit of this process and its children as far as it may be raised.

    Every connection and every waiting job holds descriptors; the usual soft limit of 1024 is too low for that.  Raises
    BadArgument if the server could not even start with it: that would be tried again and again, for minutes.
    """
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    needed = OF_EACH + FOR_A_WORKER * workers
    if hard != resource.RLIM_INFINITY and hard < needed:
        pool, end = ("1 worker", "") if workers == 1 else (f"{workers} workers", ", or with fewer --workers")
        raise BadArgument(
            f"a process may have only {hard} files and connections open, and with {pool} it needs at least {needed}; "
            "start the server where `ulimit -Hn` shows more, such as 65536 (LimitNOFILE=65536 in a unit of systemd, "
            f"--ulimit nofile=65536 for a container){end}"
        )
