"""`imgsrv operations`: list the operations and formats as a table, as JSON or as Markdown, or explain one operation."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable
from typing import Any

from imgsrv.cli.shell.completion import completes
from imgsrv.errors import BadArgument, UnknownOperation
from imgsrv.installed import install_command
from imgsrv.reference.recorded import Row, catalogue, is_written, markdown, operations, part_of
from imgsrv.wording import closest, depth_words, value_text

SERVER = "http://127.0.0.1:8000"
"""URL of a server with the default settings, for the examples."""

PARAMETER_COLUMNS = ("parameter", "values", "default", "meaning")


def add_parser(subparsers: Any) -> None:
    """Add `operations` to the commands."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "operations",
        description="List every operation, format and output parameter, or explain one operation.",
    )
    completes(parser.add_argument("name", nargs="?", metavar="NAME", help="operation to explain"), *operations())
    view = parser.add_mutually_exclusive_group()
    view.add_argument("--json", action="store_true", help="print the same JSON as GET /operations")
    view.add_argument("--markdown", action="store_true", help="print Markdown tables")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the list or one operation.  Raises UnknownOperation, and BadArgument for one operation as Markdown."""
    known = operations()
    if args.name is not None and args.name not in known:
        raise UnknownOperation(args.name, closest(args.name, known))
    if args.json:
        print(json.dumps(known[args.name] if args.name else catalogue(), indent=2, ensure_ascii=False))
    elif args.markdown:
        _print_markdown(args.name)
    elif args.name:
        _print_page(known[args.name])
    else:
        _print_overview()
    return 0


def _print_markdown(name: str | None) -> None:
    if name is not None:
        raise BadArgument(f"--markdown prints all operations; leave out {name}")
    print(markdown())


def _print_overview() -> None:
    from imgsrv.cli._tables import console, paragraph, say, show, table  # noqa: PLC0415  the help needs no tables

    screen, everything = console(), catalogue()
    rows = [(row["name"], _signature(row), row["summary"]) for row in everything["operations"]]
    show(screen, table(("operation", "parameters", "what it does"), rows, "Operations"))
    screen.print()
    formats = [
        (row["name"], row["media_type"], " ".join(row["suffixes"]), ", ".join(row["fields"]), _standing(row))
        for row in everything["formats"]
    ]
    show(screen, table(("format", "media type", "suffixes", "output parameters", "here"), formats, "Formats"))
    for extra in sorted({row["extra"] for row in everything["formats"] if row["extra"] and _lacks(row)}):
        say(screen, f"the extra `{extra}`: {install_command(extra)}")
    screen.print()
    show(screen, table(PARAMETER_COLUMNS, _parameters(everything["output"]), "Output parameters"))
    screen.print()
    paragraph(screen, "imgsrv operations NAME explains one of them.  Several follow one another with a slash:")
    say(screen, "  imgsrv convert photo.jpg out.webp resize:width=800/sharpen --quality 80")


def _lacks(form: Row) -> bool:
    return not form["reads"] or (is_written(form["name"]) and not form["writes"])


def _standing(form: Row) -> str:
    if not form["reads"]:
        return f"no, it needs the extra `{form['extra']}`"
    if not form["writes"] and is_written(form["name"]):
        return f"read; written with the extra `{form['extra']}`"
    return "read and written" if form["writes"] else "read"


def _print_page(operation: Row) -> None:
    from imgsrv.cli._tables import console, paragraph, say, show, table  # noqa: PLC0415  as above

    screen, part = console(), part_of(operation["name"])
    paragraph(screen, f"{operation['name']}: {operation['summary']}")
    # The lines of the details are those of the source; only a source of the formula begins a line of its own.
    for text in (
        *filter(None, re.split(r"\n(?=Source: )", operation["details"])),
        depth_words(operation["keeps_depth"]),
    ):
        screen.print()
        paragraph(screen, " ".join(text.split("\n")))
    if operation["parameters"]:
        screen.print()
        show(screen, table(PARAMETER_COLUMNS, _parameters(operation["parameters"])))
    url, pipeline = operation["example"]["url"], operation["example"]["pipeline"]
    body = f"-F file=@photo.jpg -F {part}=@{part}.png" if part else "--data-binary @photo.jpg"
    given = f" --part {part}={part}.png" if part else ""
    say(screen, "\nExamples")
    say(screen, f"  curl {body} '{SERVER}{url}' -o out.jpg")
    say(screen, f"  imgsrv convert photo.jpg out.jpg '{pipeline}'{given}")


def _signature(operation: Row) -> str:
    """Return the names of the parameters, optional ones in brackets."""
    return " ".join(one["name"] if one["required"] else f"[{one['name']}]" for one in operation["parameters"])


def _parameters(rows: Iterable[Row]) -> Iterable[tuple[str, ...]]:
    for one in rows:
        default = "required" if one["required"] else value_text(one["default"])
        yield one["name"], one["type"], default, one["description"]
