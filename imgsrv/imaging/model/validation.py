"""Validates text parameters with a pydantic model.  Only this module translates errors of pydantic into ours."""

from __future__ import annotations

import math
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
from imgsrv.foreign_words import SYNONYMS, advice_for, value_meant
from imgsrv.wording import closest, describe_allowed

Model = TypeVar("Model", bound=BaseModel)


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
    meant = value_meant(parameter, str(value))
    if meant is None or (choices and meant not in choices):
        meant = closest(str(value), choices)
    return InvalidParameter(owner, parameter, str(value), allowed, meant)


def unknown_parameter(owner: str, parameter: str, allowed: list[str], operations: Container[str] = ()) -> BadRequest:
    """The error for a parameter that the owner does not take, with what was probably meant.

    operations: the names of all operations, where the parameter may have been meant as one.
    """
    near, advice = closest(parameter, allowed), ""
    if SYNONYMS.get(parameter.lower()) not in allowed:
        operation = SYNONYMS.get(parameter.lower(), parameter)
        advice = advice_for(parameter)
        if not advice and operation in operations:
            step = f"{owner}/{operation}" if owner in operations else operation
            where = "put it behind a slash, as in" if owner in operations else "make it a step, as in"
            advice = f"{operation} is an operation of its own: {where} ops={step}"
    return UnknownParameter(owner, parameter, allowed, near, advice)


@cache
def _properties(model: type[BaseModel]) -> Mapping[str, Any]:
    """The JSON schema of each parameter.  Made once: it takes a front 1.3 ms, more than the rest of a refusal."""
    properties: Mapping[str, Any] = model.model_json_schema()["properties"] if model.model_fields else {}
    return properties


def _choices(schema: Mapping[str, Any]) -> list[str]:
    found = [choice for option in schema.get("anyOf", [schema]) for choice in option.get("enum", [])]
    return [choice for choice in found if isinstance(choice, str)]
