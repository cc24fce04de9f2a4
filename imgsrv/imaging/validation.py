"""Text parameters into a model, and pydantic's complaints into ours: the one place where that happens."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from imgsrv.errors import (
    BadRequest,
    InvalidParameter,
    MissingParameter,
    UnknownParameter,
    UnusableParameters,
    joined,
)

Model = TypeVar("Model", bound=BaseModel)

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
    "part": "1 to 64 letters, digits, lines and underscores",
    "font": "the name of a font",
}


def validate(model: type[Model], values: Mapping[str, Any], *, owner: str) -> Model:
    """The model made from text values.

    owner: who takes the parameters, for the message.
    Raises UnknownParameter, MissingParameter, InvalidParameter or UnusableParameters for the first fault found.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise _translated(error.errors(include_url=False)[0], model, values, owner) from error


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` was probably meant to be: the only one that begins so, or the most alike."""
    names = list(known)
    begun = [one for one in names if name and one.startswith(name.lower())]
    return begun[0] if len(begun) == 1 else next(iter(difflib.get_close_matches(name.lower(), names, n=1)), None)


def describe_allowed(schema: Mapping[str, Any]) -> str:
    """A JSON schema of one parameter in words: `a whole number from 1 to 100`."""
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
        return f" from {low:g} to {high:g}" if high is not None else f" of at least {low:g}"
    if above is None:
        return ""
    if below is not None:
        return f" above {above:g} and below {below:g}"
    return f" above {above:g}" + (f" and at most {high:g}" if high is not None else "")


def _translated(fault: ErrorDetails, model: type[BaseModel], values: Mapping[str, Any], owner: str) -> BadRequest:
    properties: Mapping[str, Any] = model.model_json_schema()["properties"] if model.model_fields else {}
    if not fault["loc"]:
        return UnusableParameters(owner, str(fault.get("ctx", {}).get("error", fault["msg"])))
    parameter = str(fault["loc"][0])
    if fault["type"] == "extra_forbidden":
        return UnknownParameter(owner, parameter, list(properties), closest(parameter, properties))
    allowed = describe_allowed(properties[parameter])
    if fault["type"] == "missing":
        return MissingParameter(owner, parameter, allowed)
    value = values[parameter]
    if isinstance(value, float) and not math.isfinite(value):
        value = str(value)
    return InvalidParameter(owner, parameter, str(value), allowed, closest(str(value), _choices(properties[parameter])))


def _choices(schema: Mapping[str, Any]) -> list[str]:
    found = [choice for option in schema.get("anyOf", [schema]) for choice in option.get("enum", [])]
    return [choice for choice in found if isinstance(choice, str)]
