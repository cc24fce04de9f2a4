"""What the tests of the queue share: bodies in memory, and jobs put on an exchange."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Iterator

from imgsrv.pool.exchange import Exchange, Parcel, Reply

SOON_S = 5.0


@contextlib.contextmanager
def memory(content: bytes) -> Iterator[int]:
    """The descriptor of a file in memory."""
    file = os.memfd_create("test")
    try:
        os.write(file, content)
        yield file
    finally:
        os.close(file)


def submit(exchange: Exchange, plan: bytes, body: bytes = b"picture", within_s: float = 60.0) -> asyncio.Future[Reply]:
    """Queue a job whose body and plan lie in one file, as a front does."""
    with memory(body + plan) as file:
        return exchange.submit(file, len(body), len(plan), time.monotonic() + within_s)


def received(exchange: Exchange) -> Parcel:
    """The next job, which is known to be there."""
    parcel = exchange.receive()
    assert parcel is not None
    return parcel


def content(descriptor: int) -> bytes:
    """All of a file, which is closed."""
    with open(descriptor, "rb") as file:
        return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)
