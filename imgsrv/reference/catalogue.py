"""The catalogue that `GET /operations` and `imgsrv operations --json` return."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from imgsrv.imaging.analysis.measures import MEASURES
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.formats import FORMATS, KNOWN, WRITTEN
from imgsrv.imaging.formats.format import Format
from imgsrv.imaging.info import ALL, BROKEN, PLACE
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.imaging.operations.registry import Operation
from imgsrv.imaging.pipelines.pipeline import MAX_STEPS
from imgsrv.reference.examples import example_of
from imgsrv.reference.parameters import Parameter, parameters_of

NONE: Mapping[str, str] = MappingProxyType({})

BOUNDS = {
    "minimum": "minimum",
    "maximum": "maximum",
    "exclusiveMinimum": "above",
    "exclusiveMaximum": "below",
    "enum": "choices",
}
"""Keys of a JSON schema, and their names in the catalogue."""


def catalogue(presets: Mapping[str, str] = NONE, *, has_uploads: bool = False) -> dict[str, Any]:
    """All operations, formats, output parameters and values of `include`, JSON-compatible.

    presets: of the server, queries of /pipeline by their names.  has_uploads: the server keeps uploads.
    """
    return {
        "operations": [_operation(row) for row in OPERATIONS.values()],
        "formats": [_format(name, form) for name, form in KNOWN.items()],
        "output": [_parameter(parameter) for parameter in parameters_of(Output)],
        "include": [{"name": name, "description": text} for name, text in included_texts().items()],
        "presets": [{"name": name, "query": query} for name, query in presets.items()],
        "uploads": has_uploads,
        "max_steps": MAX_STEPS,
    }


def included_texts() -> Mapping[str, str]:
    """Each value of `include` with its meaning, which for a measure is the first line of its docstring."""
    return {
        **{name: (measure.__doc__ or "").partition("\n")[0] for name, measure in MEASURES.items()},
        PLACE: "Where the picture was taken, from its EXIF; null if EXIF does not give it.",
        BROKEN: "Whether the first frame is cut off or damaged; measures are then those of the part that is there.",
        ALL: f"Everything except `{PLACE}` and `{BROKEN}`.",
    }


def _operation(operation: Operation) -> dict[str, Any]:
    example = example_of(operation)
    return {
        "name": operation.name,
        "summary": operation.summary,
        "details": operation.details,
        "keeps_depth": operation.depth,
        "parameters": [_parameter(parameter) for parameter in parameters_of(operation.parameters)],
        "example": {"url": example.url, "pipeline": example.pipeline},
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    bounds = {word: parameter.schema[key] for key, word in BOUNDS.items() if key in parameter.schema}
    return {
        "name": parameter.name,
        "type": parameter.words,
        "required": parameter.is_required,
        "default": parameter.default,
        "description": parameter.description,
        **bounds,
    }


def _format(name: str, form: Format) -> dict[str, Any]:
    return {
        "name": name,
        "label": form.label,
        "media_type": form.media_type,
        "suffixes": list(form.suffixes),
        "fields": list(form.fields),
        "default_quality": form.default_quality if "quality" in form.fields else None,
        "reads": name in FORMATS,
        "writes": name in WRITTEN,
        "extra": form.extra or None,
        "alpha": form.has_alpha,
        "animation": form.has_animation,
        "metadata": form.has_metadata,
        "max_side": form.max_side,
    }
