"""A valid example of each operation, found with the validation of the operation itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from imgsrv.errors import UnusableParameters
from imgsrv.imaging.operations.registry import Operation
from imgsrv.imaging.pipelines.pipeline import make_step
from imgsrv.reference.parameters import Parameter, parameters_of

TYPICAL = {"integer": 800, "number": 1.5}
"""Numbers for examples of fields without `examples`; they are moved into the bounds of the field."""


@dataclass(frozen=True, slots=True)
class Example:
    """One call, as path and query of a URL and as a pipeline.  part: name of the second part of the upload."""

    url: str
    pipeline: str
    part: str | None = None


def example_of(operation: Operation) -> Example:
    """A short valid call: the required parameters, and optional ones until the operation accepts the call."""
    parameters = parameters_of(operation.parameters)
    given = {one.name: _value(one) for one in parameters if one.is_required}
    for optional in (one for one in parameters if not one.is_required):
        if _is_valid(operation, given):
            break
        given[optional.name] = _value(optional)
    query = f"?{urlencode(given)}" if given else ""
    step = make_step(operation.name, given.items())
    return Example(f"/{operation.name}{query}", str(step), step.part)


def _is_valid(operation: Operation, given: dict[str, str]) -> bool:
    try:
        make_step(operation.name, given.items())
    except UnusableParameters:
        return False
    return True


def _value(parameter: Parameter) -> str:
    """A valid value: the first example of the parameter, else its default, its first choice, or a number."""
    schema = parameter.schema
    if "examples" in schema:
        return str(schema["examples"][0])
    if parameter.default is not None:
        return str(parameter.default)
    if "enum" in schema:
        return str(schema["enum"][0])
    return _number(schema.get("anyOf", [schema])[0])


def _number(schema: Any) -> str:
    typical = TYPICAL[schema["type"]]
    return f"{min(schema.get('maximum', typical), max(schema.get('minimum', typical), typical)):g}"
