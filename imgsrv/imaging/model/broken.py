"""Broken picture files: what Pillow raises on them, and where that becomes an error of ours."""

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
"""What Pillow's readers raise on broken files, read from their sources and seen by fuzzing every format.

RuntimeError is libavif's; ZeroDivisionError and OverflowError come from time scales and offsets that nobody checks.
"""


@contextmanager
def broken_is_ours(name: str) -> Iterator[None]:
    """Inside it, what Pillow raises on a broken picture of the format `name` becomes Undecodable.

    MemoryError passes: within the limits of a picture it says something of the machine.
    """
    try:
        yield
    except BROKEN as error:
        raise Undecodable(name, str(error) or type(error).__name__) from error
