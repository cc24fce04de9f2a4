"""`imgsrv operations`: list the operations and formats as a table, as JSON or as Markdown, or explain one operation."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from typing import Any

from rich.table import Table

from imgsrv.cli._render import Screen, console, say, show, table
from imgsrv.cli.shell.completion import completes
from imgsrv.errors import BadArgument, UnknownOperation
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.formats import FORMATS, KNOWN, WRITTEN
from imgsrv.imaging.formats.format import Format
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.imaging.operations.registry import Operation
from imgsrv.installed import install_command
from imgsrv.reference.catalogue import catalogue
from imgsrv.reference.examples import example_of
from imgsrv.reference.markdown import depth_line, formats_table, operations_table, output_table
from imgsrv.reference.parameters import Parameter, default_text, parameters_of
from imgsrv.wording import closest

SERVER = "http://127.0.0.1:8000"
"""URL of a server with the default settings, for the examples."""


def add_parser(subparsers: Any) -> None:
    """Add `operations` to the commands."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "operations",
        description="List every operation, format and output parameter, or explain one operation.",
    )
    completes(parser.add_argument("name", nargs="?", metavar="NAME", help="operation to explain"), *OPERATIONS)
    view = parser.add_mutually_exclusive_group()
    view.add_argument("--json", action="store_true", help="print the same JSON as GET /operations")
    view.add_argument("--markdown", action="store_true", help="print Markdown tables")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the list or one operation.  Raises UnknownOperation, and BadArgument for one operation as Markdown."""
    if args.name is not None and args.name not in OPERATIONS:
        raise UnknownOperation(args.name, closest(args.name, OPERATIONS))
    if args.json:
        print(json.dumps(_json(args.name), indent=2, ensure_ascii=False))
    elif args.markdown:
        _print_markdown(args.name)
    elif args.name:
        _print_page(console(), OPERATIONS[args.name])
    else:
        _print_overview(console())
    return 0


def _json(name: str | None) -> Any:
    everything = catalogue()
    return everything if name is None else next(row for row in everything["operations"] if row["name"] == name)


def _print_markdown(name: str | None) -> None:
    if name is not None:
        raise BadArgument(f"--markdown prints all operations; leave out {name}")
    print(f"{operations_table()}\n\n{formats_table()}\n\n{output_table()}")


def _print_overview(screen: Screen) -> None:
    operations = [(row.name, _signature(row), row.summary) for row in OPERATIONS.values()]
    show(screen, table(("operation", "parameters", "what it does"), operations, "Operations"))
    screen.print()
    formats = [
        (name, form.media_type, " ".join(form.suffixes), ", ".join(form.fields), _standing(form))
        for name, form in KNOWN.items()
    ]
    show(screen, table(("format", "media type", "suffixes", "output parameters", "here"), formats, "Formats"))
    for extra in sorted({form.extra for form in KNOWN.values() if form.extra and _lacks(form)}):
        say(screen, f"the extra `{extra}`: {install_command(extra)}")
    screen.print()
    show(screen, _parameters("Output parameters", parameters_of(Output)))
    say(screen, "\nimgsrv operations NAME explains one of them.")


def _lacks(form: Format) -> bool:
    return form.name not in FORMATS or (form.is_written and form.name not in WRITTEN)


def _standing(form: Format) -> str:
    if form.name not in FORMATS:
        return f"no, it needs {form.extra_name}"
    if form.is_written and form.name not in WRITTEN:
        return f"read; written with {form.extra_name}"
    return "read and written" if form.is_written else "read"


def _print_page(screen: Screen, operation: Operation) -> None:
    parameters, example = parameters_of(operation.parameters), example_of(operation)
    say(screen, f"{operation.name}: {operation.summary}")
    if operation.details:
        say(screen, f"\n{operation.details}")
    say(screen, f"\n{depth_line(operation)}")
    if parameters:
        screen.print()
        show(screen, _parameters(None, parameters))
    say(screen, "\nExamples")
    part = f" --part {example.part}={example.part}.png" if example.part else ""
    say(screen, f"  curl {example.curl_data} '{SERVER}{example.url}' -o out.jpg")
    say(screen, f"  imgsrv convert photo.jpg out.jpg '{example.pipeline}'{part}")


def _signature(operation: Operation) -> str:
    """Return the names of the parameters, optional ones in brackets."""
    return " ".join(one.name if one.is_required else f"[{one.name}]" for one in parameters_of(operation.parameters))


def _parameters(title: str | None, parameters: Iterable[Parameter]) -> Table:
    rows = [
        (one.name, one.words, "required" if one.is_required else default_text(one), one.description)
        for one in parameters
    ]
    return table(("parameter", "values", "default", "meaning"), rows, title)
