"""Validates text parameters with a pydantic model.  Only this module translates errors of pydantic into ours."""

from __future__ import annotations

import math
import re
from collections.abc import Container, Mapping
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from imgsrv.errors import (
    BadRequest,
    InvalidParameter,
    MissingParameter,
    UnknownParameter,
    UnusableParameters,
)
from imgsrv.foreign_advice import advice_for, is_particular, value_advice
from imgsrv.foreign_words import SYNONYMS, value_meant
from imgsrv.wording import closest, describe_allowed

Model = TypeVar("Model", bound=BaseModel)

PER_CENT = re.compile(r"([0-9]{1,4}(?:\.[0-9]{1,3})?) ?(%?)")


class NotAllowed(ValueError):
    """Raised by a validator that knows better than the schema what is allowed, and maybe what was meant."""

    def __init__(self, allowed: str, meant: str | None = None) -> None:
        super().__init__(allowed)
        self.allowed, self.meant = allowed, meant


def validate(model: type[Model], values: Mapping[str, Any], *, owner: str) -> Model:
    """An instance of the model, made from text values.

    owner: the name of the operation or route that takes the parameters, for messages.
    Raises UnknownParameter, MissingParameter, InvalidParameter or UnusableParameters for the first fault.
    """
    try:
        made = model.model_validate(dict(values))
    except ValidationError as error:
        raise translated(error, model, values, owner) from error
    for parameter, value in values.items():
        # Python reads 1_000 as a number; no client of HTTP means that.
        if isinstance(value, str) and "_" in value and isinstance(getattr(made, parameter), int | float):
            allowed = describe_allowed(_properties(model)[parameter])
            raise InvalidParameter(owner, parameter, value, allowed, value.replace("_", ""))
    return made


def translated(error: ValidationError, model: type[BaseModel], values: Mapping[str, Any], owner: str) -> BadRequest:
    """Our error for the first fault that pydantic found."""
    fault = error.errors(include_url=False)[0]
    properties = _properties(model)
    if not fault["loc"]:
        return UnusableParameters(owner, str(fault.get("ctx", {}).get("error", fault["msg"])))
    parameter = str(fault["loc"][0])
    if fault["type"] == "extra_forbidden":
        return unknown_parameter(owner, parameter, list(properties))
    allowed = describe_allowed(properties[parameter])
    if fault["type"] == "missing":
        return MissingParameter(owner, parameter, allowed)
    value = values[parameter]
    if isinstance(value, float) and not math.isfinite(value):
        value = str(value)
    reason = fault.get("ctx", {}).get("error")
    if isinstance(reason, NotAllowed):
        return InvalidParameter(owner, parameter, str(value), reason.allowed, reason.meant)
    choices = _choices(properties[parameter])
    if advice := value_advice(parameter, str(value)) or _of_a_fraction(properties[parameter], str(value)):
        return InvalidParameter(owner, parameter, str(value), allowed, advice=advice)
    meant = _share_meant(properties[parameter], str(value)) or value_meant(parameter, str(value))
    if meant is None or (choices and meant not in choices):
        meant = closest(str(value), choices)
    return InvalidParameter(owner, parameter, str(value), allowed, meant)


def unknown_parameter(owner: str, parameter: str, allowed: list[str], operations: Container[str] = ()) -> BadRequest:
    """The error for a parameter that the owner does not take, with what was probably meant.

    operations: the names of all operations, where the parameter may have been meant as one.
    """
    near, advice = closest(parameter, allowed), ""
    if SYNONYMS.get(parameter.lower()) not in allowed or is_particular(parameter, owner):
        operation = SYNONYMS.get(parameter.lower(), parameter)
        advice = advice_for(parameter, owner)
        if not advice and operation in operations and operation != owner:
            step = f"{owner}/{operation}" if owner in operations else operation
            where = "put it behind a slash, as in" if owner in operations else "make it a step, as in"
            advice = f"{operation} is an operation of its own: {where} ops={step}"
    return UnknownParameter(owner, parameter, allowed, near, advice)


@cache
def _properties(model: type[BaseModel]) -> Mapping[str, Any]:
    """The JSON schema of each parameter.  Made once: it takes a front 1.3 ms, more than the rest of a refusal."""
    properties: Mapping[str, Any] = model.model_json_schema()["properties"] if model.model_fields else {}
    return properties


def _share_meant(schema: Mapping[str, Any], value: str) -> str | None:
    """The fraction that is meant by per cent: 50 % or, where nothing is above 1, 50.  None where it is none."""
    most = [_most(option) for option in schema.get("anyOf", [schema])]
    found = PER_CENT.fullmatch(value.strip())
    if found is None or not (1 in most if found[2] else most == [1]):
        return None
    share = float(found[1]) / 100
    least = 0.0 if found[2] else 0.02
    return f"{share:g}" if least < share < 1 else None


def _of_a_fraction(schema: Mapping[str, Any], value: str) -> str:
    """What a fraction is one of, for a number that may be meant in pixels; an empty text where it is none."""
    most = _most(schema)
    if most is None or most >= 1 or not PER_CENT.fullmatch(value.strip()) or "fraction" not in schema["description"]:
        return ""
    text: str = schema["description"]
    return f"it is a {text[text.index('fraction') :].rstrip('.')}"


def _most(schema: Mapping[str, Any]) -> float | None:
    """The largest number, or the one below which numbers are."""
    most: float | None = schema.get("maximum", schema.get("exclusiveMaximum"))
    return most


def _choices(schema: Mapping[str, Any]) -> list[str]:
    found = [choice for option in schema.get("anyOf", [schema]) for choice in option.get("enum", [])]
    return [choice for choice in found if isinstance(choice, str)]
