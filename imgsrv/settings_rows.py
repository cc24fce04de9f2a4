"""Setting: what is declared of one setting, and the check of a value that somebody gave.

The help of a command and the documents read the declarations alone.  A value is checked by the core of pydantic, which
is loaded with the first one: the whole of pydantic takes four times as long, and every command would wait for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cached_property
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from imgsrv.wording import describe_allowed

if TYPE_CHECKING:
    from pydantic_core import CoreSchema, SchemaValidator


SIZE = re.compile(r"([0-9]{0,18}\.?[0-9]{1,18})\s{0,9}(?:([kmgtpe])(i?)b|([kmgtpe])|b)?", re.IGNORECASE)

JSON_TYPES = {int: "integer", float: "number", bool: "boolean", str: "string"}
"""What a JSON schema calls the types of values."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting, or what the settings of a type have in common.

    description: its meaning, in a sentence or more.
    allowed: its values in words, where its type and its bounds say too little.
    ge, gt, le: bounds of a number.  pattern, min_length, max_length: what a text must be.
    parse: turns another form of the value into that of its type.
    check: gives the value, or raises ValueError with a reason that this machine has.
    is_size: it is a number of bytes, which may also be given as `64MB` or `1GiB`.
    is_masked: it is a URL that can have a password, which is not shown.
    name, kind, default: those of the field; kind is its type; `rows_of` adds them.
    """

    description: str = ""
    allowed: str = ""
    ge: int | None = None
    gt: int | None = None
    le: int | None = None
    pattern: str | None = None
    min_length: int | None = None
    max_length: int | None = None
    parse: Callable[[Any], Any] | None = None
    check: Callable[[Any], Any] | None = None
    is_size: bool = False
    is_masked: bool = False
    name: str = ""
    kind: Any = str
    default: Any = None

    @property
    def is_switch(self) -> bool:
        """It is true or false."""
        return self.kind is bool

    @property
    def choices(self) -> tuple[str, ...]:
        """The words of which it is one; empty where other values are allowed too."""
        return get_args(self.kind) if get_origin(self.kind) is Literal else ()

    @property
    def words(self) -> str:
        """What its value must be: `a whole number from 0 to 65535`."""
        return self.allowed or describe_allowed(_json_schema(self))

    def checked(self, value: Any) -> Any:
        """The value in the type of the setting.  Raises ValueError, which says what is allowed."""
        from pydantic_core import ValidationError  # noqa: PLC0415  most commands have no value to check

        try:
            return self._validator.validate_python(value)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            found_here = fault["type"] == "value_error"
            raise ValueError(str(fault["ctx"]["error"]) if found_here else f"it must be {self.words}") from error

    @cached_property
    def _validator(self) -> SchemaValidator:
        from pydantic_core import SchemaValidator  # noqa: PLC0415  as above

        return SchemaValidator(_core_schema(self))


def rows_of(declared: type) -> Mapping[str, Setting]:
    """The settings that a dataclass declares, by name, in its order."""
    types = get_type_hints(declared, include_extras=True)
    rows = {}
    for field in fields(declared):
        default = field.default if field.default_factory is MISSING else field.default_factory()
        rows[field.name] = _row(types[field.name], name=field.name, default=default)
    return rows


def _row(declared: Any, **known: Any) -> Setting:
    """The declaration of an annotated type; of two that say the same, the later one counts."""
    kind, *marks = get_args(declared) if get_origin(declared) is Annotated else (declared,)
    said: dict[str, Any] = {}
    for mark in marks:
        said |= {name: value for name, value in vars(mark).items() if value != getattr(Setting, name)}
    return Setting(**{**said, **known, "kind": kind})


def _options(setting: Setting) -> list[Setting]:
    """The declarations of the types of which its value may have any; empty for a single type."""
    return list(map(_row, get_args(setting.kind))) if get_origin(setting.kind) in (Union, UnionType) else []


def _json_schema(setting: Setting) -> dict[str, Any]:
    if options := _options(setting):
        return {"anyOf": list(map(_json_schema, options))}
    if setting.choices:
        return {"enum": list(setting.choices)}
    bounds = {"minimum": setting.ge, "exclusiveMinimum": setting.gt, "maximum": setting.le}
    return {"type": JSON_TYPES[setting.kind], **{key: bound for key, bound in bounds.items() if bound is not None}}


def _core_schema(setting: Setting) -> CoreSchema:
    from pydantic_core import core_schema  # noqa: PLC0415  as above

    schema: CoreSchema
    if options := _options(setting):
        schema = core_schema.union_schema(list(map(_core_schema, options)))
    elif setting.choices:
        schema = core_schema.literal_schema(list(setting.choices))
    elif setting.kind is bool:
        schema = core_schema.bool_schema()
    elif setting.kind is float:
        schema = core_schema.float_schema(ge=setting.ge, gt=setting.gt, le=setting.le, allow_inf_nan=False)
    elif setting.kind is str:
        pattern, least, most = setting.pattern, setting.min_length, setting.max_length
        schema = core_schema.str_schema(pattern=pattern, min_length=least, max_length=most)
    elif setting.kind is int:
        schema = core_schema.int_schema(ge=setting.ge, gt=setting.gt, le=setting.le)
        if setting.is_size:
            schema = core_schema.no_info_before_validator_function(_whole_bytes, schema)
    else:
        key, value = (_core_schema(_row(kind)) for kind in get_args(setting.kind))
        schema = core_schema.dict_schema(key, value)
    if setting.parse is not None:
        schema = core_schema.no_info_before_validator_function(setting.parse, schema)
    if setting.check is not None:
        schema = core_schema.no_info_after_validator_function(setting.check, schema)
    return schema


def _whole_bytes(value: Any) -> Any:
    """`64MB` or `1.5 GiB` as a number of bytes; any other value unchanged."""
    found = SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return value
    number, prefix, is_binary, letter = found.groups()
    power = "kmgtpe".index((prefix or letter).lower()) + 1 if prefix or letter else 0
    return int(float(number) * (1024 if is_binary else 1000) ** power)
