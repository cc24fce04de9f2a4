"""The errors that an HTTP client can meet, from the classes in errors."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from pydantic import TypeAdapter

from imgsrv.errors import ANSWERS, ClientGone, ImgsrvError


def problems() -> tuple[type[ImgsrvError], ...]:
    """Every error class that a client can read in an answer, by status and then in the order of errors.py."""
    kinds = [kind for kind in ANSWERS if kind is not ClientGone]
    return tuple(sorted(kinds, key=lambda kind: kind.status_hint))


def problems_by_status() -> Mapping[int, tuple[type[ImgsrvError], ...]]:
    """The error classes of each status, lowest status first."""
    return {status: tuple(kinds) for status, kinds in groupby(problems(), key=lambda kind: kind.status_hint)}


def meaning(kind: type[ImgsrvError]) -> str:
    """When it is raised: the first line of the class's docstring."""
    return (kind.__doc__ or "").partition("\n")[0]


def facts_schema(kind: type[ImgsrvError]) -> dict[str, Any]:
    """The JSON schema of the facts that it carries, by name."""
    properties: dict[str, Any] = TypeAdapter(kind).json_schema()["properties"]
    return {
        name: {key: value for key, value in schema.items() if key not in ("title", "default")}
        for name, schema in properties.items()
    }
