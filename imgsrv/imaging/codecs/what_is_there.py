"""Broken pictures as far as they go: what `broken=accept` reads where strict reading fails.

A picture is always read strictly first, so a good one costs nothing more, and the result tells whether it was broken.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from PIL import ImageFile

from imgsrv.errors import Undecodable
from imgsrv.imaging.codecs.sniff import SNIFF_BYTES, sniff
from imgsrv.imaging.formats import FORMATS
from imgsrv.imaging.model.broken import broken_is_ours, is_lenient, lenient
from imgsrv.imaging.model.limits import Data
from imgsrv.imaging.model.parameter_types import Broken

HINT = "broken=accept uses the part that is there"

Result = TypeVar("Result")


def as_far_as_it_goes(data: Data, broken: Broken, read: Callable[[Data], Result]) -> tuple[Result, bool]:
    """The result of `read`, and whether the picture is broken.

    With "accept", a picture that is refused as Undecodable is read again: what its decoder finds until it fails, and
    the rest black, grey or transparent.  Raises what `read` raises; where nothing is there, what it raised first.
    """
    try:
        return read(data), False
    except Undecodable as error:
        form = FORMATS[sniff(bytes(data[:SNIFF_BYTES]))]
        if broken == "refuse" and form.reads_parts and "truncated" in error.reason:
            raise Undecodable(error.format, error.reason, f"{error.advice}; {HINT}") from error
        if broken == "refuse" or not form.reads_parts:
            raise
        # The frames behind an error would keep the memory of the first decoder.
        refusal = Undecodable(error.format, error.reason, error.advice)
    with lenient(), _pillow_goes_on():
        try:
            with broken_is_ours(form.name):
                mended = form.mended(bytes(data)) if form.mended else data
            return read(mended), True
        except Undecodable:
            raise refusal from None


class _Flag:
    """Pillow's flag for truncated files, true in a block `lenient` and otherwise what the program has set.

    Pillow has one for all threads, and asks it whenever a file ends too early.
    """

    def __init__(self, *, before: bool) -> None:
        self.before = before

    def __bool__(self) -> bool:
        return is_lenient() or self.before


_lock = threading.Lock()


class _Installed:
    """calls: number of open blocks in all threads.  before: Pillow's flag before the first of them."""

    calls = 0
    before = False


@contextmanager
def _pillow_goes_on() -> Iterator[None]:
    """A block in which Pillow asks a _Flag."""
    with _lock:
        if not _Installed.calls:
            _Installed.before = bool(ImageFile.LOAD_TRUNCATED_IMAGES)
            ImageFile.LOAD_TRUNCATED_IMAGES = _Flag(before=_Installed.before)  # type: ignore[assignment]  # its truth is all that Pillow asks
        _Installed.calls += 1
    try:
        yield
    finally:
        with _lock:
            _Installed.calls -= 1
            if not _Installed.calls:
                ImageFile.LOAD_TRUNCATED_IMAGES = _Installed.before
