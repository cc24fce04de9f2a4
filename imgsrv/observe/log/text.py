"""Records for people: the time, what happened, and its facts, in lines no longer than the terminal is wide."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

NO_WRAPPING = 1 << 20

BLOCKS = ("exception", "stack", "traceback")
"""Facts that are texts of several lines."""

COLOURS = {"debug": "2", "info": "", "warning": "33", "error": "1;31", "critical": "1;31"}
"""What ANSI calls the colour of each level's events."""

DIM, BOLD = "2", "1"

LEAST_ROOM = 20


class HumanRenderer:
    """A record as text; also a processor of structlog.

    width: of the terminal in columns.  is_dated: every record has its date, and not only one of another day.
    """

    def __init__(self, width: int = NO_WRAPPING, *, has_colours: bool = False, is_dated: bool = False) -> None:
        self._width, self._has_colours, self._is_dated = width, has_colours, is_dated

    def __call__(self, _logger: object, _method: str, record: Mapping[str, Any]) -> str:
        """The text of a record, without a line break at its end."""
        return self.render(record)

    def render(self, record: Mapping[str, Any]) -> str:
        """The text of a record, without a line break at its end."""
        facts = {name: value for name, value in record.items() if name not in ("timestamp", "level", "event")}
        blocks = [str(facts.pop(name)) for name in BLOCKS if facts.get(name)]
        level, event = str(record.get("level", "info")), str(record.get("event", ""))
        time = self._time(record.get("timestamp"))
        mark = f"{level}: " if level not in ("info", "debug") else ""
        words = _request(facts) if event == "request" else [f"{mark}{event}", *_facts(facts)]
        first, *rest = self._wrapped(words, len(time) + 1)
        code = COLOURS.get(level, "")
        head = self._in(DIM, time) + " " + self._in(code or BOLD if event != "request" else code, words[0])
        lines = [head + first.removeprefix(words[0]), *rest]
        indent = " " * (len(time) + 1)
        return "\n".join([*lines, *(textwrap.indent(block.rstrip(), indent) for block in blocks)])

    def _wrapped(self, words: list[str], indent: int) -> list[str]:
        """The words in lines; only a word that is longer than a line by itself is longer than the line."""
        room = max(LEAST_ROOM, self._width - indent)
        lines = [words[0]]
        for word in words[1:]:
            if len(lines[-1]) + 2 + len(word) <= room:
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
    """A line of the access log: `200 POST /resize?width=300`, then how long, how large, and the name of it."""
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
    if not isinstance(count, int):
        return "?"
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} B"
