"""Broken picture files: the exceptions that Pillow raises, and their translation into our error."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from imgsrv.errors import Undecodable
from imgsrv.shortages import lacks_memory

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


PANIC = "pyo3_runtime"
"""Module of the exception of a library in Rust that gives up; it is no child of Exception."""


Thing = TypeVar("Thing")

_is_lenient: ContextVar[bool] = ContextVar("is_lenient", default=False)


def is_lenient() -> bool:
    """Decoders give what there is of a broken picture: true in a block `lenient`, in its thread alone."""
    return _is_lenient.get()


@contextmanager
def lenient() -> Iterator[None]:
    """A block in which decoders give what there is of a broken picture."""
    token = _is_lenient.set(True)
    try:
        yield
    finally:
        _is_lenient.reset(token)


def as_far_as_whole(things: Iterable[Thing]) -> Iterator[Thing]:
    """The things, in a block `lenient` only up to the first one that is broken."""
    try:
        yield from things
    except BROKEN:
        if not is_lenient():
            raise


@contextmanager
def broken_is_ours(name: str, needed: int = 0) -> Iterator[None]:
    """A block in which exceptions of Pillow on a broken picture of the format `name` become Undecodable.

    MemoryError passes unchanged: for a picture within the limits, the machine lacks memory.  Exceptions of codecs that
    mean the same become one.  needed: bytes of the decoder, for codecs that name no reason.
    """
    try:
        yield
    except BaseException as error:
        if not isinstance(error, BROKEN) and type(error).__module__ != PANIC:
            raise
        if lacks_memory(error, needed):
            raise MemoryError(f"no memory to decode the {name} picture") from error
        raise Undecodable(name, str(error) or type(error).__name__) from error
