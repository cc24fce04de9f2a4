"""Pillow's own limit of pixels, lifted while imgsrv works on a picture: Limits refuses what is too large."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

_lock = threading.Lock()


class _Lifted:
    """calls: how many are inside, in all threads.  limit: Pillow's before the first of them."""

    calls = 0
    limit: int | None = None


@contextmanager
def pillow_limit_lifted() -> Iterator[None]:
    """Inside it, Pillow neither warns of large pictures nor refuses them; behind the last call its limit is back.

    Pillow has one limit for all threads, so it is lifted for the program's own calls of Pillow as well while one of
    imgsrv's runs.
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
