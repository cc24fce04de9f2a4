"""The reference tables of the documents, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from imgsrv.environment import environment_name, flag_name
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.formats import KNOWN
from imgsrv.imaging.formats.format import Format
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.imaging.operations.registry import Operation
from imgsrv.reference.catalogue import included_texts
from imgsrv.reference.parameters import Parameter, default_text, parameters_of
from imgsrv.reference.problems import meaning, problems
from imgsrv.routes import all_routes
from imgsrv.settings_rows import Setting
from imgsrv.wording import depth_words, value_text

YES, NO = "yes", "–"


def operations_table() -> str:
    """Every operation with its parameters."""
    rows = [(f"`{row.name}`", _parameters_cell(row), row.summary) for row in OPERATIONS.values()]
    return table(("operation", "parameters", "what it does"), rows)


def operations_list() -> str:
    """The name of every operation with a link to its description, for pages in `docs/`."""
    links: dict[str, list[str]] = {}
    for row in OPERATIONS.values():
        links.setdefault(row.category, []).append(f"[{row.name}](operations.md#{row.name})")
    return table(("what changes", "operations"), [(category, ", ".join(names)) for category, names in links.items()])


def depth_line(operation: Operation) -> str:
    """The sentence that says whether the operation keeps 16 bits a channel."""
    return depth_words(operation.depth)


def parameters_table(operation: Operation) -> str:
    """The parameters of one operation; an empty text if it has none."""
    rows = [
        (f"`{one.name}`", one.words, "required" if one.is_required else _code(default_text(one)), one.description)
        for one in parameters_of(operation.parameters)
    ]
    return table(("parameter", "values", "default", "meaning"), rows) if rows else ""


def formats_table() -> str:
    """Every format with its abilities, including those whose extra is not installed."""
    heads = (
        *("format", "name", "media type", "suffixes", "output parameters"),
        *("transparency", "animation", "metadata", "written", "comes with"),
    )
    return table(heads, [_format_row(name, form) for name, form in KNOWN.items()])


def output_table() -> str:
    """The output parameters."""
    rows = [(f"`{one.name}`", one.words, _code(default_text(one)), one.description) for one in parameters_of(Output)]
    return table(("parameter", "values", "default", "meaning"), rows)


def errors_table() -> str:
    """Every error that a client can get."""
    return table(
        ("status", "code", "when"),
        [(str(kind.status_hint), f"`{kind.code}`", meaning(kind)) for kind in problems()],
    )


def settings_table(settings: Iterable[Setting]) -> str:
    """Every setting, with its flag and its environment variable."""
    rows = [
        (f"`{flag_name(one.name)}`", f"`{environment_name(one.name)}`", _code(value_text(one.default)), one.description)
        for one in settings
    ]
    return table(("flag", "environment variable", "default", "meaning"), rows)


def routes_table() -> str:
    """Every route, with an example of a request."""
    rows = [(f"`{row.method} {row.path}{row.query}`", row.summary) for row in all_routes()]
    return table(("request", "answer"), rows)


def included_table() -> str:
    """The values of `include` of `POST /info`."""
    return table(("include", "result"), [(f"`{name}`", text) for name, text in included_texts().items()])


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table.  Bars and line breaks inside of cells are escaped."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _parameters_cell(operation: Operation) -> str:
    return "<br>".join(map(_parameter_line, parameters_of(operation.parameters))) or NO


def _parameter_line(parameter: Parameter) -> str:
    default = default_text(parameter)
    standing = "required" if parameter.is_required else f"default {default}" if default else "optional"
    return f"`{parameter.name}`: {parameter.words} ({standing}).  {parameter.description}"


def _format_row(name: str, form: Format) -> tuple[str, ...]:
    return (
        form.label,
        f"`{name}`",
        f"`{form.media_type}`",
        " ".join(f"`{suffix}`" for suffix in form.suffixes),
        ", ".join(f"`{field}`" for field in form.fields) or NO,
        YES if form.has_alpha else NO,
        YES if form.has_animation else NO,
        YES if form.has_metadata else NO,
        YES if form.is_written else NO,
        f"the extra `{form.extra}`" if form.extra else "imgsrv",
    )


def _code(text: str) -> str:
    return f"`{text}`" if text else NO


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", "<br>")
