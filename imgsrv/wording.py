"""Texts for messages about parameters and settings: allowed values in words, and the name that was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from imgsrv.errors import joined
from imgsrv.foreign_words import SYNONYMS

RATE = r"([0-9]{1,9}(?:\.[0-9]{1,3})?)/(second|minute|hour|day)(?:,burst=([0-9]{1,9}(?:\.[0-9]{1,3})?))?"
"""The pattern of a limit as text: amount, period, and how much may come at once."""

_TYPE_WORDS = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "string": "text",
}

_FORMAT_WORDS = {
    "colour": "a colour",
    "opaque-colour": "an opaque colour",
    "aspect": "a shape",
    "target": "a similarity of at least ssim:0.5 and below 1",
    "matrix": "nine numbers from -100 to 100, row by row,",
    "kernel": "the numbers from -100 to 100 of a square with an odd side of 3 to 15, row by row,",
    "corners": "4 points from 0 to 1, clockwise from the top left,",
    "curve": "2 to 32 points from 0 to 1, from left to right,",
    "boxes": "1 to 100 boxes, each left;top;width;height in whole pixels,",
    "part": "1 to 64 letters, digits, hyphens and underscores",
    "font": "the name of a font",
}

LONGEST_NAME = 64
"""Characters of a name for which a known one is looked for; the comparison takes quadratic time."""


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, else None.

    It is a synonym, else the only name that begins with the text, else the most similar name.
    """
    if len(name) > LONGEST_NAME:
        return None
    names = list(known)
    if SYNONYMS.get(name.lower()) in names:
        return SYNONYMS[name.lower()]
    begun = [one for one in names if name and one.startswith(name.lower())]
    return begun[0] if len(begun) == 1 else next(iter(difflib.get_close_matches(name.lower(), names, n=1)), None)


def value_text(value: Any) -> str:
    """A default as a caller would write it; an empty text if there is none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def depth_words(depth: str) -> str:
    """The sentence that says when an operation keeps 16 bits a channel.  depth: `always`, `never`, or a condition."""
    if depth == "never":
        return "It works on 8 bits a channel."
    return "It keeps 16 bits a channel" + ("." if depth == "always" else f" {depth}.")


def describe_allowed(schema: Mapping[str, Any]) -> str:
    """The values that the JSON schema of one parameter allows, in words: `a whole number from 1 to 100`.

    A key `allowed` of the schema takes precedence.  Settings have it where their type says too little.
    """
    if "allowed" in schema:
        return str(schema["allowed"])
    options = [option for option in schema.get("anyOf", [schema]) if option.get("type") != "null"]
    return " or ".join(_describe_one(option) for option in options)


def _describe_one(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return joined(schema["enum"]).replace(" and ", " or ")
    if (form := schema.get("format")) in _FORMAT_WORDS:
        return f"{_FORMAT_WORDS[form]} such as {joined(schema['examples']).replace(' and ', ' or ')}"
    if "maxLength" in schema:
        return f"text of {schema['minLength']} to {schema['maxLength']} characters such as {joined(schema['examples'])}"
    words = _TYPE_WORDS.get(schema.get("type", ""), "a value")
    return f"{words}{_describe_bounds(schema)}"


def _describe_bounds(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if low is not None:
        # 15 digits, because plain `g` prints a million as 1e+06.
        return f" from {low:.15g} to {high:.15g}" if high is not None else f" of at least {low:.15g}"
    if above is None:
        return ""
    if below is not None:
        return f" above {above:g} and below {below:g}"
    return f" above {above:g}" + (f" and at most {high:g}" if high is not None else "")
