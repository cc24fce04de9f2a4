"""A process that asks buckets for the one that starts others: obstore has threads, which do not survive a fork."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import ParamSpec, Self, TypeVar

from imgsrv.errors import BadArgument

Arguments = ParamSpec("Arguments")
Given = TypeVar("Given")


class Clerk:
    """Asks in a process of its own, which begins with the first question and has ended when the block has."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def ask(
        self, function: Callable[Arguments, Given], *arguments: Arguments.args, **options: Arguments.kwargs
    ) -> Given:
        """What a function gives that asks a bucket.  Raises BadArgument with its reason if it cannot."""
        if self._pool is None:
            self._pool = ProcessPoolExecutor(1, mp_context=get_context("fork"))
        try:
            return self._pool.submit(function, *arguments, **options).result()
        except OSError as error:
            raise BadArgument(str(error)) from error
