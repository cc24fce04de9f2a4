"""Texts that take a pattern or a reader the longest, and a limit on the processor time that one call may take.

The attacks on a pattern are made of its own parts: what matches in front of a part, the part many times, an end that
does not match.  So they need no author who knows where a new pattern is weak.
"""

from __future__ import annotations

import ast
import importlib
import itertools
import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[2] / "imgsrv"

ATTACK_BYTES = 100_000

Attack = tuple[str, str, str]
"""What stands in front, what is repeated, what stands behind."""

# The parser of Python's own patterns, and the names of what it finds.
_parser: Any = importlib.import_module("re._parser")
_named: Any = importlib.import_module("re._constants")

_METHODS = ("compile", "search", "match", "fullmatch", "split", "findall", "finditer", "sub", "subn")

_TRIED = [chr(code) for code in (*range(97, 123), *range(48, 58), *range(256))]
"""Characters that are tried for a set that excludes some."""


class TooSlow(Exception):
    """A call has taken more processor time than it may."""


def cpu_s(call: Callable[[], object], limit_s: float) -> float:
    """The processor time of a call.  Raises TooSlow at the limit, even inside a pattern."""

    def stop(_signal: int, _frame: object) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGPROF, stop)
    started = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, limit_s)
    try:
        call()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    return time.process_time() - started


# ---- the patterns of the package -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """A pattern in the source.  name: module and variable, or module and the method that is called with the text."""

    name: str
    pattern: re.Pattern[str] | re.Pattern[bytes]


def patterns() -> list[Found]:
    """Every pattern of the package: `re.compile` and its sisters, and the `pattern` of a parameter or a setting.

    Fails for a pattern that the source does not spell out, for nobody could say what it matches.
    """
    found: list[Found] = []
    for file in sorted(PACKAGE.rglob("*.py")):
        module = str(file.relative_to(PACKAGE).with_suffix("")).replace("/", ".")
        tree = ast.parse(file.read_text(encoding="utf-8"))
        names = _names_of_values(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                found += _in_call(node, module, names)
            elif isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == "pattern":
                        found.append(Found(f"{module}:pattern", re.compile(_text(value, module))))
    return _numbered(found)


def _names_of_values(tree: ast.Module) -> dict[ast.AST, str]:
    """The name of the variable that each value of a module is assigned to."""
    return {
        node.value: node.targets[0].id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }


def _in_call(node: ast.Call, module: str, names: dict[ast.AST, str]) -> Iterator[Found]:
    for keyword in node.keywords:
        if keyword.arg == "pattern" and not isinstance(keyword.value, ast.Name):
            yield Found(f"{module}:pattern", re.compile(_text(keyword.value, module)))
    called = node.func
    if not (isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id == "re"):
        return
    if called.attr in _METHODS:
        flags = _flags(node, module)
        yield Found(f"{module}:{names.get(node, called.attr)}", re.compile(_text(node.args[0], module), flags))


def _text(node: ast.expr, module: str) -> Any:
    """The text of a pattern: a literal, or made of literals and constants of its module."""
    with suppress(ValueError):
        return ast.literal_eval(node)
    names = vars(importlib.import_module(f"imgsrv.{module}".removesuffix(".__init__")))
    return eval(compile(ast.Expression(node), module, "eval"), names)  # noqa: S307  our own source


def _flags(node: ast.Call, module: str) -> int:
    # Of re.sub and others the flags come last, by their name.
    given = [*node.args[1:2], *(keyword.value for keyword in node.keywords if keyword.arg == "flags")]
    is_compile = isinstance(node.func, ast.Attribute) and node.func.attr == "compile"
    return sum(int(_text(value, module)) for value in given) if is_compile else 0


def _numbered(found: Sequence[Found]) -> list[Found]:
    """The same with a number behind each name that several patterns of a module have."""
    seen: dict[str, int] = {}
    numbered = []
    for one in found:
        seen[one.name] = seen.get(one.name, 0) + 1
        name = one.name if seen[one.name] == 1 else f"{one.name}-{seen[one.name]}"
        numbered.append(Found(name, one.pattern))
    return numbered


# ---- attacks on a pattern ------------------------------------------------------------------------------


def attacks_on(pattern: re.Pattern[Any]) -> list[Attack]:
    """Attacks of each part of a pattern."""
    text = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    parsed = _parser.parse(text, pattern.flags & ~re.UNICODE & ~re.DEBUG)
    pumps = dict.fromkeys((before, pump) for before, pump in _parts(list(parsed), "") if pump)
    end = _sample(list(parsed)[-1:])
    return [(before, pump, tail) for before, pump in pumps for tail in dict.fromkeys(("", "\0", "!", end + "\0"))]


def filled(attack: Attack, size: int = ATTACK_BYTES) -> str:
    """The text of an attack."""
    before, pump, behind = attack
    return before + pump * max(1, (size - len(before) - len(behind)) // len(pump)) + behind


def _parts(items: list[Any], before: str) -> Iterator[tuple[str, str]]:
    """What stands in front of a part of the pattern, and the part."""
    for at, (kind, value) in enumerate(items):
        if at and kind is _named.LITERAL and items[at - 1][0] is _named.LITERAL:
            # The middle of a word is no other place than its beginning.
            continue
        front = before + _sample(items[:at])
        for behind in range(at + 1, len(items) + 1):
            yield front, _sample(items[at:behind])
            # Behind nothing, too: a search begins at every place.
            yield "", _sample(items[at:behind])
        for inside in _inside(kind, value):
            yield from _parts(inside, front)
        if kind is _named.IN:
            for letter in _letters(value):
                yield front, letter


def _inside(kind: Any, value: Any) -> list[list[Any]]:
    """The items of the groups, repetitions and branches of an item."""
    if kind in (_named.MAX_REPEAT, _named.MIN_REPEAT, _named.POSSESSIVE_REPEAT):
        return [list(value[2])]
    if kind is _named.SUBPATTERN:
        return [list(value[3])]
    if kind is _named.BRANCH:
        return [list(branch) for branch in value[1]]
    if kind is _named.ATOMIC_GROUP:
        return [list(value)]
    return []


def _sample(items: list[Any]) -> str:
    """A text that matches the items, nearly always."""
    return "".join(_sample_of(kind, value) for kind, value in items)


def _sample_of(kind: Any, value: Any) -> str:
    if kind is _named.LITERAL:
        return chr(value)
    if kind is _named.NOT_LITERAL:
        return "a" if value != ord("a") else "b"
    if kind is _named.ANY:
        return "a"
    if kind is _named.IN:
        return str(_letters(value)[0])
    if kind in (_named.MAX_REPEAT, _named.MIN_REPEAT, _named.POSSESSIVE_REPEAT):
        return _sample(list(value[2])) * max(1, int(value[0]))
    inside = _inside(kind, value)
    return _sample(inside[0]) if inside else ""


def _letters(items: list[Any]) -> list[str]:
    """Letters of a set: one of each of its parts, or some that it does not exclude."""
    chosen = [letter for kind, value in items for letter in _letters_of(kind, value)]
    if items and items[0][0] is _named.NEGATE:
        return list(itertools.islice((letter for letter in _TRIED if letter not in chosen), 3))
    return chosen or ["a"]


def _letters_of(kind: Any, value: Any) -> list[str]:
    if kind is _named.LITERAL:
        return [chr(value)]
    if kind is _named.RANGE:
        return [chr(value[0]), chr(value[1])]
    if kind is _named.CATEGORY:
        name = str(value)
        return ["!"] if "NOT" in name else [" ", "\n"] if "SPACE" in name else ["0"] if "DIGIT" in name else ["a"]
    return []
