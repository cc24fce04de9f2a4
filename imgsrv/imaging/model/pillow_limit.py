"""Lifts Pillow's own limit of pixels while imgsrv works on a picture, because `Limits` checks the size."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

_lock = threading.Lock()


class _Lifted:
    """calls: number of open blocks in all threads.  limit: Pillow's limit before the first of them."""

    calls = 0
    limit: int | None = None


@contextmanager
def pillow_limit_lifted() -> Iterator[None]:
    """A block in which Pillow neither warns of large pictures nor refuses them.

    The end of the last open block restores the limit.  Pillow has one limit for all threads.  So while a call of imgsrv
    runs, the limit is also lifted for other calls of Pillow in the program.
    """
    with _lock:
        if not _Lifted.calls:
            _Lifted.limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        _Lifted.calls += 1
    try:
        yield
    finally:
        with _lock:
            _Lifted.calls -= 1
            if not _Lifted.calls:
                Image.MAX_IMAGE_PIXELS = _Lifted.limit
