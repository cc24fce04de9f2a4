"""The errors that an HTTP client can meet, from the classes in errors."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from pydantic import TypeAdapter

from imgsrv.errors import (
    BadArgument,
    BadRuntimeFolder,
    BadSetting,
    CannotListen,
    CannotWriteLog,
    ClientGone,
    CommandFailed,
    HookFailed,
    ImgsrvError,
    LoadFailed,
    NameTaken,
    NoSuchInstance,
    NoWorkerCanBoot,
)

NOT_ANSWERED: tuple[type[ImgsrvError], ...] = (
    *(BadArgument, BadSetting, CannotListen, CannotWriteLog, HookFailed, NoWorkerCanBoot),
    *(BadRuntimeFolder, NameTaken, NoSuchInstance, CommandFailed),
    *(LoadFailed, ClientGone),
)
"""Raised before there is a server, for who commands one, where there is none, or when nobody reads the answer."""


def problems() -> tuple[type[ImgsrvError], ...]:
    """Every error class that an answer can carry, by status and then in the order of errors.py."""
    kinds = [kind for kind in _leaves(ImgsrvError) if kind not in NOT_ANSWERED]
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


def _leaves(parent: type[ImgsrvError]) -> list[type[ImgsrvError]]:
    """The classes that are raised themselves: those without children, in the order of their definition."""
    children = parent.__subclasses__()
    return [leaf for child in children for leaf in _leaves(child)] if children else [parent]
