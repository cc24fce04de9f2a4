"""The errors that an HTTP client can get, from the classes in `imgsrv/errors.py`."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any, get_type_hints

from pydantic import create_model

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
    types = get_type_hints(kind)
    fields: dict[str, Any] = {name: (types[name], getattr(kind, name, ...)) for name in kind.fields}
    properties: dict[str, Any] = create_model(kind.__name__, **fields).model_json_schema()["properties"]
    return {
        name: {key: value for key, value in schema.items() if key not in ("title", "default")}
        for name, schema in properties.items()
    }
