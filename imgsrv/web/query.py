"""What the query of a request asks for, as typed values.  Every function here raises BadRequest's children.

The results are cached: most clients send the same few queries with every picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from imgsrv.errors import (
    InvalidParameter,
    MisplacedParameter,
    MissingParameter,
    RepeatedParameter,
    UnknownParameter,
    joined,
)
from imgsrv.imaging.codecs.output import OWNER, Output
from imgsrv.imaging.info import INCLUDES, parse_include
from imgsrv.imaging.model.validation import unknown_parameter, validate
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.imaging.pipelines.pipeline import Pipeline, make_step, parse_pipeline
from imgsrv.jobs.archive import ARCHIVES
from imgsrv.jobs.variants import Variant, variants_of_widths
from imgsrv.web.pairs import check_count
from imgsrv.wording import closest

Pairs = list[tuple[str, str]]

OUTPUT_PARAMETERS = tuple(Output.model_fields)

BATCH = "batch"
"""The name of the route in the messages of errors."""

BATCH_PARAMETERS = ("widths", "archive", *OUTPUT_PARAMETERS)

KEPT_QUERIES = 256
"""Size of each cache of parsed queries."""


@dataclass(frozen=True, slots=True)
class BatchQuery:
    """The query of a batch.

    archive: a key of ARCHIVES, None where the Accept header decides.  variants: one for each of `widths`, none where
    the upload names them.  given: the output parameters that apply to all variants.
    """

    archive: str | None
    variants: tuple[Variant, ...] = ()
    given: Mapping[str, str] = field(default_factory=dict)


@lru_cache(maxsize=KEPT_QUERIES)
def parse_operation(name: str, query: str) -> tuple[Pipeline, Output]:
    """The query of `POST /{name}`."""
    own = OPERATIONS[name].parameters.model_fields
    pairs = _pairs(query)
    allowed = list(dict.fromkeys((*own, *OUTPUT_PARAMETERS)))
    if unknown := next((pair[0] for pair in pairs if pair[0] not in allowed), None):
        raise unknown_parameter(name, unknown, allowed, OPERATIONS)
    # `background` belongs to the operation and to the output: a client that names a colour means both.
    step = make_step(name, [pair for pair in pairs if pair[0] in own])
    return Pipeline((step,)), _output([pair for pair in pairs if pair[0] in OUTPUT_PARAMETERS])


@lru_cache(maxsize=KEPT_QUERIES)
def parse_operations(query: str) -> tuple[Pipeline, Output]:
    """The query of `POST /pipeline`.  Raises UnknownOperation, too."""
    pairs = _pairs(query)
    texts = [value for name, value in pairs if name == "ops"]
    if len(texts) > 1:
        raise RepeatedParameter("pipeline", "ops")
    rest = [(name, value) for name, value in pairs if name != "ops"]
    _refuse_parameters_of_steps(rest)
    output = _output(rest, also=("ops",))
    if not texts and not output.model_fields_set:
        raise MissingParameter("pipeline", "ops", "steps such as resize:width=800/sharpen/grayscale")
    return parse_pipeline(texts[0]) if texts else Pipeline(), output


@lru_cache(maxsize=KEPT_QUERIES)
def parse_batch(query: str) -> BatchQuery:
    """The query of `POST /batch`."""
    given: dict[str, str] = {}
    for name, value in _pairs(query):
        if name not in BATCH_PARAMETERS:
            raise unknown_parameter(BATCH, name, list(BATCH_PARAMETERS), OPERATIONS)
        if name in given:
            raise RepeatedParameter(BATCH, name)
        given[name] = value
    archive, widths = given.pop("archive", None), given.pop("widths", None)
    if archive is not None and archive not in ARCHIVES:
        kinds = joined(list(ARCHIVES)).replace(" and ", " or ")
        raise InvalidParameter(BATCH, "archive", archive, kinds, closest(archive, ARCHIVES))
    return BatchQuery(archive, () if widths is None else variants_of_widths(widths, given), given)


@lru_cache(maxsize=KEPT_QUERIES)
def parse_info(query: str) -> tuple[str, ...]:
    """The query of `POST /info`: what the description has beside the facts of the header."""
    texts: list[str] = []
    for name, value in _pairs(query):
        if name != "include":
            advice = f"write include={name}" if name in INCLUDES else ""
            raise UnknownParameter("info", name, ["include"], closest(name, ["include"]), advice)
        if texts:
            raise RepeatedParameter("info", name)
        texts.append(value)
    return parse_include(texts[0]) if texts else ()


def _pairs(query: str) -> Pairs:
    check_count(query)
    return parse_qsl(query, keep_blank_values=True)


def _refuse_parameters_of_steps(pairs: Pairs) -> None:
    for name, value in pairs:
        for row in () if name in OUTPUT_PARAMETERS else OPERATIONS.values():
            if name in row.parameters.model_fields:
                place = f"into a step, as in ops={row.name}:{name}={value}"
                raise MisplacedParameter("the pipeline itself", name, place)


def _output(pairs: Pairs, also: tuple[str, ...] = ()) -> Output:
    """The output parameters.  also: further parameters of the route, for the message."""
    given: dict[str, Any] = {}
    for name, value in pairs:
        if name not in OUTPUT_PARAMETERS:
            allowed = [*also, *OUTPUT_PARAMETERS]
            raise unknown_parameter("pipeline", name, allowed, OPERATIONS)
        if name in given:
            raise RepeatedParameter(OWNER, name)
        given[name] = value
    return validate(Output, given, owner=OWNER).check()
