"""Numbers on the command line: types of arguments for argparse, with bounds."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import Any

from imgsrv.printable import printable
from imgsrv.wording import describe_allowed

DIGITS = re.compile(r"[0-9]{1,18}")


def whole_number(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return a parser of whole numbers in ASCII digits."""

    def parse(text: str) -> int:
        if DIGITS.fullmatch(text) is None or not _is_within(int(text), least, most):
            raise _refused(text, "integer", least, most)
        return int(text)

    return parse


def number(least: float, most: float) -> Callable[[str], float]:
    """Return a parser of numbers, which may have a fraction."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not _is_within(value, least, most):
            raise _refused(text, "number", least, most)
        return value

    return parse


def _is_within(value: float, least: float, most: float | None) -> bool:
    return value >= least and (most is None or value <= most)


def _refused(text: str, kind: str, least: float, most: float | None) -> argparse.ArgumentTypeError:
    bounds: dict[str, Any] = {"minimum": least} if most is None else {"minimum": least, "maximum": most}
    return argparse.ArgumentTypeError(f"{printable(text)} is not {describe_allowed({'type': kind, **bounds})}")
