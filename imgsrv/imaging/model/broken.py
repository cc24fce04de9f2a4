"""Broken picture files: the exceptions that Pillow raises, and their translation into our error."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager

from imgsrv.errors import Undecodable

BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    struct.error,
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
)
"""Exceptions of Pillow's readers on broken files, found in their sources and by fuzzing every format.

libavif raises RuntimeError.  ZeroDivisionError and OverflowError come from unchecked time scales and offsets.
"""


@contextmanager
def broken_is_ours(name: str) -> Iterator[None]:
    """A block in which exceptions of Pillow on a broken picture of the format `name` become Undecodable.

    MemoryError passes unchanged: for a picture within the limits, the machine lacks memory.
    """
    try:
        yield
    except BROKEN as error:
        raise Undecodable(name, str(error) or type(error).__name__) from error
