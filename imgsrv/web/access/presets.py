"""Presets: named queries of /pipeline, written by the operator and asked for as `/pipeline?preset=NAME`.

A request is expanded before it is routed, so nothing behind knows presets.  As in imgproxy, several presets apply one
after another, and what the request adds comes last: its steps follow those of the presets, and its output parameters
replace theirs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from urllib.parse import parse_qsl, unquote_plus, urlencode

from imgsrv.errors import (
    PresetNotAllowed,
    PresetsOnly,
    RepeatedParameter,
    RequestError,
    UnknownPreset,
)
from imgsrv.web.pairs import check_count
from imgsrv.wording import closest

PARAMETER = "preset"

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

ROUTE = "/pipeline"
"""The route that takes presets."""

UPLOADS = "/uploads"
"""Routes that keep a picture and process none."""

MOST_NAMES = 8
"""Presets of one request."""

SOURCE = "source"
"""The parameter that may stand beside a preset where only presets are allowed: it says what is processed, not how."""

KEPT_QUERIES = 256
"""Size of the cache of expanded queries."""


class BadPreset(ValueError):
    """A preset that no request could use."""


class Presets:
    """The presets, by name.  only: nothing else may be asked for.  Raises BadPreset."""

    def __init__(self, queries: Mapping[str, str], *, only: bool = False) -> None:
        for name, query in queries.items():
            _check(name, query)
        self._queries = {name: parse_qsl(query, keep_blank_values=True) for name, query in queries.items()}
        self.only = only
        self._expanded = lru_cache(maxsize=KEPT_QUERIES)(self._expand)

    def __len__(self) -> int:
        return len(self._queries)

    def __iter__(self) -> Iterator[str]:
        return iter(self._queries)

    def check_route(self, path: str, allowed: Collection[str] | None) -> None:
        """Raise PresetsOnly for a route of pictures other than that of presets.  allowed: by the key; None for all."""
        if (
            path != ROUTE
            and not (path == UPLOADS or path.startswith(f"{UPLOADS}/"))
            and (self.only or allowed is not None)
        ):
            raise PresetsOnly(path)

    def expand(self, query: str, allowed: tuple[str, ...] | None) -> str:
        """The query with the steps and parameters of its presets.  allowed: by the key; None for all.

        Raises UnknownPreset, PresetNotAllowed, PresetsOnly, RepeatedParameter.
        """
        if PARAMETER not in query and not self.only and allowed is None:
            return query
        return self._expanded(query, allowed)

    def _expand(self, query: str, allowed: tuple[str, ...] | None) -> str:
        check_count(query)
        given = [(unquote_plus(text.partition("=")[0]), text) for text in query.split("&") if text]
        named, steps, rest = (_of(given, name) for name in (PARAMETER, "ops", None))
        if self.only or allowed is not None:
            _check_only(named, [*steps, *rest])
        for name, texts in ((PARAMETER, named), ("ops", steps)):
            if len(texts) > 1:
                raise RepeatedParameter("pipeline", name)
        if not named:
            return query
        merged = dict[str, str]()
        ops = list[str]()
        for preset in _value(named).split(",", MOST_NAMES):
            for name, value in self._named(preset, allowed):
                if name == "ops":
                    ops.append(value)
                else:
                    merged[name] = value
        ops += filter(None, [_value(steps)])
        own = {name for name, _text in rest}
        pairs = [("ops", "/".join(ops))] if ops else []
        pairs += [(name, value) for name, value in merged.items() if name not in own]
        # The rest stays as it was sent: a source may have bytes that are no text.
        return "&".join(filter(None, [urlencode(pairs), *(text for _name, text in rest)]))

    def _named(self, preset: str, allowed: tuple[str, ...] | None) -> list[tuple[str, str]]:
        if allowed is not None and preset not in allowed:
            raise PresetNotAllowed(preset[:64], list(allowed))
        if (pairs := self._queries.get(preset)) is None:
            raise UnknownPreset(preset[:64], list(self._queries), closest(preset[:64], self._queries))
        return pairs


def _of(given: list[tuple[str, str]], name: str | None) -> list[tuple[str, str]]:
    """The parameters of that name; with None those that are neither presets nor steps."""
    if name is None:
        return [pair for pair in given if pair[0] not in (PARAMETER, "ops")]
    return [pair for pair in given if pair[0] == name]


def _value(given: list[tuple[str, str]]) -> str:
    """The decoded value of the first of these parameters; empty if there is none."""
    return unquote_plus(given[0][1].partition("=")[2]) if given else ""


def _check_only(named: list[tuple[str, str]], others: list[tuple[str, str]]) -> None:
    """Raise PresetsOnly for a query that says itself what is to be done."""
    other = next((name for name, _text in others if name != SOURCE and not name.startswith(f"{SOURCE}.")), None)
    if other is not None:
        raise PresetsOnly(f"other parameter such as {other[:64]!r}")
    if not named:
        raise PresetsOnly("pipeline of your own")


def _check(name: str, query: str) -> None:
    if NAME.fullmatch(name) is None:
        raise BadPreset(f"the name {name!r} must have 1 to 64 letters, digits, - and _, the first a letter or a digit")
    from imgsrv.web.query import parse_operations  # noqa: PLC0415  `imgsrv config --check` seldom needs the operations

    try:
        parse_operations(query)
    except RequestError as error:
        raise BadPreset(f"{name}: {error}") from None
