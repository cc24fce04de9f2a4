"""Variants: the outputs that `POST /batch` makes of one picture, each with a name, a pipeline and an output format."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from imgsrv.errors import BadOutputs, ImgsrvError
from imgsrv.imaging.codecs.output import OWNER, Output
from imgsrv.imaging.model.validation import validate
from imgsrv.imaging.pipelines.pipeline import Pipeline, make_step, parse_pipeline

MOST_VARIANTS = 16
"""Most outputs of one batch."""

LONGEST_OUTPUTS = 65_536
"""Most bytes of the JSON that names the outputs."""

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
"""A name becomes the name of a file where the archive is unpacked."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One output of a batch.  is_width: it is named by its width, and given once however often that is reached."""

    name: str
    pipeline: Pipeline
    output: Output
    is_width: bool = False


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Mark errors that are raised inside it as errors of the output `name`."""
    try:
        yield
    except ImgsrvError as error:
        error.of_output(name)
        raise


def variants_of_widths(text: str, given: Mapping[str, Any]) -> tuple[Variant, ...]:
    """One output for each width in the list, named by the width.  given: output parameters that apply to all.

    Raises BadRequest's children.
    """
    if (count := text.count(",") + 1) > MOST_VARIANTS:
        raise BadOutputs(f"there are {count} widths and {MOST_VARIANTS} are allowed")
    output = validate(Output, given, owner=OWNER).check()
    variants = []
    for width in text.split(","):
        with naming(width[:64]):
            step = make_step("resize", [("width", width)])
        variants.append(Variant(width, Pipeline((step,)), output, is_width=True))
    return _checked(variants)


def parse_variants(text: bytes, given: Mapping[str, Any]) -> tuple[Variant, ...]:
    """The outputs that the JSON names.  given: output parameters that apply where an output does not set its own.

    Raises BadRequest's children and UnknownOperation.
    """
    try:
        items = json.loads(text)
        # JSON can spell half of a surrogate pair, which is no character and has no UTF-8.
        json.dumps(items, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise BadOutputs(f"they are not JSON: {error}"[:200]) from error
    if not isinstance(items, list):
        raise BadOutputs("they are not a list")
    if len(items) > MOST_VARIANTS:
        raise BadOutputs(f"there are {len(items)} and {MOST_VARIANTS} are allowed")
    return _checked([_variant(item, number, given) for number, item in enumerate(items, 1)])


def _variant(item: Any, number: int, given: Mapping[str, Any]) -> Variant:
    if not isinstance(item, dict) or not isinstance(item.get("name"), str):
        raise BadOutputs(f"number {number} has no name")
    name = item["name"]
    _check_name(name)
    texts = {key: _text(name, key, value) for key, value in item.items() if key != "name"}
    with naming(name):
        pipeline = parse_pipeline(texts.pop("ops", ""))
        return Variant(name, pipeline, validate(Output, {**given, **texts}, owner=OWNER).check())


def _text(name: str, key: str, value: Any) -> str:
    """The value as the text that a query would have."""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float):
        raise BadOutputs(f"{key[:64]!r} of {name!r} is neither text nor a number nor true or false")
    return str(value)


def _checked(variants: list[Variant]) -> tuple[Variant, ...]:
    if not variants:
        raise BadOutputs("there are none")
    if len({variant.output.index for variant in variants}) > 1:
        raise BadOutputs("they show different frames or pages, and the picture is decoded once; ask once for each")
    for name in ("icc", "broken"):
        if len({getattr(variant.output, name) for variant in variants}) > 1:
            raise BadOutputs(f"they differ in {name}, and the picture is decoded once; ask once for each")
    taken: set[str] = set()
    for variant in variants:
        _check_name(variant.name)
        # Some file systems do not distinguish capital and small letters.
        if variant.name.lower() in taken:
            raise BadOutputs(f"two are named {variant.name!r}, or nearly so")
        taken.add(variant.name.lower())
    return tuple(variants)


def _check_name(name: str) -> None:
    if not SAFE_NAME.fullmatch(name):
        raise BadOutputs(
            f"the name {name[:64]!r} must have 1 to 64 letters, digits, dots, hyphens and underscores, "
            "and begin with a letter or a digit"
        )
