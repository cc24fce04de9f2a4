"""The errors that an HTTP client can get, from the classes in `imgsrv/errors.py`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import groupby
from typing import Any, get_type_hints

from pydantic import TypeAdapter

from imgsrv import errors
from imgsrv.errors import ANSWERS, ClientGone, ImgsrvError


def problems() -> tuple[type[ImgsrvError], ...]:
    """Every error class that an answer can carry, sorted by status and then in the order of errors.py."""
    kinds = [kind for kind in ANSWERS if kind is not ClientGone]
    return tuple(sorted(kinds, key=lambda kind: kind.status_hint))


def problems_by_status() -> Mapping[int, tuple[type[ImgsrvError], ...]]:
    """The error classes of each status, lowest status first."""
    return {status: tuple(kinds) for status, kinds in groupby(problems(), key=lambda kind: kind.status_hint)}


def meaning(kind: type[ImgsrvError]) -> str:
    """The meaning of an error: the first line of the docstring of its class."""
    return (kind.__doc__ or "").partition("\n")[0]


def facts_schema(kind: type[ImgsrvError]) -> dict[str, Any]:
    """The JSON schemas of the facts of an error, by name."""
    words: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        words |= vars(base).get("__annotations__", {})
    return {name: dict(_schema(words[name])) for name in kind.fields}


@cache
def _schema(annotation: str) -> Mapping[str, Any]:
    """The JSON schema of a type as errors.py writes it; a model of each error with facts would take 0.1 s for all."""
    schema = TypeAdapter(get_type_hints(_holder(annotation), vars(errors))["fact"]).json_schema()
    return {key: value for key, value in schema.items() if key != "title"}


def _holder(annotation: str) -> type:
    return type("Holder", (), {"__annotations__": {"fact": annotation}})
