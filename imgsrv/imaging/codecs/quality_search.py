"""Search for the quality of a lossy encoder: the lowest that looks as wanted, or the highest that is small enough.

Size and likeness grow with quality, nearly enough for bisection.  Every file that is returned was checked.
"""

from __future__ import annotations

from collections.abc import Callable

from imgsrv.errors import TooManyBytes

Encoded = Callable[[int], bytes]
"""The file at a quality of 1 to 100."""

LOWEST, HIGHEST = 1, 100


def smallest_like(encoded: Encoded, is_like: Callable[[bytes], bool]) -> tuple[int, bytes]:
    """The lowest quality at which the file is like the picture, and the file; the highest quality if none is.

    At most eight files are encoded.
    """
    low, high, found = LOWEST, HIGHEST, encoded(HIGHEST)
    while low < high:
        middle = (low + high) // 2
        file = encoded(middle)
        if is_like(file):
            high, found = middle, file
        else:
            low = middle + 1
    return high, found


def largest_within(encoded: Encoded, quality: int, most: int, owner: str) -> bytes:
    """The file at the highest quality up to `quality` that has at most `most` bytes.

    At most eight files are encoded.  Raises TooManyBytes if even the lowest quality gives more bytes.
    """
    found = encoded(quality)
    if len(found) <= most:
        return found
    low, high, smallest = LOWEST, quality - 1, len(found)
    within: bytes | None = None
    while low <= high:
        middle = (low + high) // 2
        file = encoded(middle)
        smallest = min(smallest, len(file))
        if len(file) <= most:
            within, low = file, middle + 1
        else:
            high = middle - 1
    if within is None:
        raise TooManyBytes(owner, smallest, most)
    return within
