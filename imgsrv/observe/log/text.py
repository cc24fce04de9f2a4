"""Log records as text: the time, the event and its facts, wrapped to the width of the terminal."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from imgsrv.printable import printable, printable_lines

NO_WRAPPING = 1 << 20

BLOCKS = ("exception", "stack", "traceback")
"""Facts that have several lines of text."""

COLOURS = {"debug": "2", "info": "", "warning": "33", "error": "1;31", "critical": "1;31"}
"""ANSI code of the colour of each level."""

DIM, BOLD = "2", "1"
"""ANSI codes of the time and of an event without a colour."""

LEAST_COLUMNS = 20
"""Columns that the words get even in a very narrow terminal."""


class HumanRenderer:
    """Makes text of a record; can be used as a processor of structlog.

    width: columns of the terminal.  is_dated: show the date of every record, not only of one of another day.
    """

    def __init__(self, width: int = NO_WRAPPING, *, has_colours: bool = False, is_dated: bool = False) -> None:
        self._width, self._has_colours, self._is_dated = width, has_colours, is_dated

    def __call__(self, _logger: object, _method: str, record: Mapping[str, Any]) -> str:
        """Return the text of a record, as structlog calls a processor."""
        return self.render(record)

    def render(self, record: Mapping[str, Any]) -> str:
        """Return the text of a record, without a line break at its end."""
        facts = {name: value for name, value in record.items() if name not in ("timestamp", "level", "event")}
        blocks = [printable_lines(str(facts.pop(name))) for name in BLOCKS if facts.get(name)]
        level, event = str(record.get("level", "info")), str(record.get("event", ""))
        time = self._time(record.get("timestamp"))
        mark = f"{level}: " if level not in ("info", "debug") else ""
        words = _request(facts) if event == "request" else [f"{mark}{event}", *_facts(facts)]
        words = [printable(word) for word in words]
        first, *rest = self._wrapped(words, len(time) + 1)
        code = COLOURS.get(level, "")
        head = self._in(DIM, time) + " " + self._in(code or BOLD if event != "request" else code, words[0])
        lines = [head + first.removeprefix(words[0]), *rest]
        indent = " " * (len(time) + 1)
        return "\n".join([*lines, *(textwrap.indent(block.rstrip(), indent) for block in blocks)])

    def _wrapped(self, words: list[str], indent: int) -> list[str]:
        """Return the words in lines.  A word is never broken, so a long word can make a line too long."""
        columns = max(LEAST_COLUMNS, self._width - indent)
        lines = [words[0]]
        for word in words[1:]:
            if len(lines[-1]) + 2 + len(word) <= columns:
                lines[-1] += f"  {word}"
            else:
                lines.append(word)
        return [lines[0], *(" " * indent + line for line in lines[1:])]

    def _time(self, stamp: object) -> str:
        try:
            at = datetime.fromisoformat(str(stamp))
        except ValueError:
            return "--:--:--"
        at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone()
        is_today = at.date() == datetime.now(UTC).astimezone().date()
        return at.strftime("%H:%M:%S" if is_today and not self._is_dated else "%Y-%m-%d %H:%M:%S")

    def _in(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if code and self._has_colours else text


def _request(facts: dict[str, Any]) -> list[str]:
    """Return the words of an access record: `200 POST /resize?width=300`, then the time, the sizes and the id."""
    query = f"?{facts['query']}" if facts.get("query") else ""
    words = [f"{facts.get('status')} {facts.get('method')} {facts.get('path')}{query}"]
    if facts.get("code"):
        words.append(str(facts["code"]))
    words += [f"{facts.get('ms')} ms", f"{_size(facts.get('bytes_in'))} → {_size(facts.get('bytes_out'))}"]
    stages = {
        name: facts[f"{name}_ms"]
        for name in ("receive", "queue", "decode", "operations", "encode")
        if f"{name}_ms" in facts
    }
    if stages:
        words.append("(" + ", ".join(f"{name} {value:g}" for name, value in stages.items()) + ")")
    client = [f"client={facts['client']}"] if facts.get("client") else []
    return [*words, f"id={facts.get('request_id')}", *client]


def _facts(facts: Mapping[str, Any]) -> list[str]:
    return [f"{name}={_value(value)}" for name, value in facts.items() if value is not None]


def _value(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")) if isinstance(value, dict) else str(value)
    return repr(text) if not text or any(mark in text for mark in " \n\t") else text


def _size(count: object) -> str:
    return size_text(count) if isinstance(count, int) else "?"


def size_text(count: float) -> str:
    """Return a number of bytes with three significant digits: `504 B`, `84.1 kB`, `1.5 GB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:  # noqa: PLR2004  from here on three digits would say 1e+03
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
