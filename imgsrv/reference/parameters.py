"""Parameters for documents and command-line help, read from the JSON schema of their pydantic model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from imgsrv.imaging.model.parameter_types import Colour
from imgsrv.wording import describe_allowed, value_text


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter.  schema: its JSON schema without null, title, description and default.

    default: JSON-compatible; None for a required parameter, and for an optional one without a default.
    """

    name: str
    description: str
    schema: Mapping[str, Any]
    is_required: bool
    default: Any = None

    @property
    def words(self) -> str:
        """The type and bounds: `a whole number from 1 to 100`."""
        return describe_allowed(self.schema)

    @property
    def is_switch(self) -> bool:
        """The parameter is true or false."""
        return self.schema.get("type") == "boolean"


@cache
def parameters_of(model: type[BaseModel]) -> tuple[Parameter, ...]:
    """The parameters of an operation or of the output, in the order of their declaration.

    They are kept: a schema takes a millisecond, and the documents of a server ask for some seven times.
    """
    properties = model.model_json_schema().get("properties", {})
    return tuple(_parameter(name, field, properties[name]) for name, field in model.model_fields.items())


def default_text(parameter: Parameter) -> str:
    """The default as a caller would write it; an empty text if there is none."""
    return value_text(parameter.default)


def _parameter(name: str, field: FieldInfo, schema: Mapping[str, Any]) -> Parameter:
    return Parameter(
        name=name,
        description=field.description or "",
        schema=_bare(schema),
        is_required=field.is_required(),
        default=None if field.is_required() else _default(field),
    )


def _default(field: FieldInfo) -> Any:
    # In the schema of the model, the default of a colour is a tuple; callers write it as text.
    return str(field.default) if isinstance(field.default, Colour) else field.default


def _bare(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    options = [option for option in schema.get("anyOf", []) if option.get("type") != "null"]
    bare = {key: value for key, value in schema.items() if key not in ("title", "description", "default", "anyOf")}
    if len(options) == 1:
        return {**options[0], **bare}
    return {"anyOf": options, **bare} if options else bare
