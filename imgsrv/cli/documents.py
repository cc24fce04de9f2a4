"""`python -m imgsrv.cli.documents FILE… [--check]`: write the generated sections of documents, or check them.

A manual page, whose name ends with `.1`, and the record of the catalogue, with `.json`, are generated as a whole.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from imgsrv.cli.main import whole_parser
from imgsrv.cli.shell.manual import manual
from imgsrv.errors import BadArgument
from imgsrv.pool.control.commands import COMMANDS, Command
from imgsrv.reference.markdown import (
    errors_table,
    formats_table,
    included_table,
    operations_list,
    output_table,
    routes_table,
    settings_table,
    table,
)
from imgsrv.reference.readme import render, stale_sections
from imgsrv.reference.recorded import record
from imgsrv.reference.recording import recording
from imgsrv.settings import SETTINGS

RECORD = ".json"
"""Suffix of the record of the catalogue."""

STALE, UNUSABLE = 1, 2
"""Exit codes: a section is out of date; the arguments or the files cannot be used."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the sections of the files; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m imgsrv.cli.documents", description=__doc__)
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="Markdown file with marked sections, manual page or record"
    )
    parser.add_argument("--check", action="store_true", help="change nothing; name the sections that are out of date")
    args = parser.parse_args(arguments)
    try:
        return _check(args.files, sections()) if args.check else _write(args.files, sections())
    except (BadArgument, OSError) as error:
        sys.stderr.write(f"imgsrv.cli.documents: {error}\n")
        return UNUSABLE


def sections() -> dict[str, str]:
    """Return every section that a file may contain, by name."""
    return {
        "routes": routes_table(),
        "operations": operations_list(),
        "formats": formats_table(),
        "output": output_table(),
        "include": included_table(),
        "errors": errors_table(),
        "settings": settings_table(SETTINGS.values()),
        "commands": commands_table(),
    }


def _write(files: Sequence[Path], known: Mapping[str, str]) -> int:
    # The record comes first: the help of commands is made from it, and the manual page from that.
    for file in sorted(files, key=lambda file: file.suffix != RECORD):
        whole = WHOLE.get(file.suffix)
        text = whole() if whole else render(file.read_text(encoding="utf-8"), known)
        file.write_text(text, encoding="utf-8")
        record.cache_clear()
    return 0


def _check(files: Sequence[Path], known: Mapping[str, str]) -> int:
    stale = [(file, name) for file in files for name in _stale(file, known)]
    for file, name in stale:
        sys.stderr.write(f"{file}: the section {name!r} is out of date; run python -m imgsrv.cli.documents {file}\n")
    return STALE if stale else 0


def _stale(file: Path, known: Mapping[str, str]) -> Sequence[str]:
    text = file.read_text(encoding="utf-8")
    if whole := WHOLE.get(file.suffix):
        return () if text == whole() else ("all of it",)
    return stale_sections(text, known)


def page() -> str:
    """Return the manual page imgsrv(1)."""
    return manual(whole_parser())


WHOLE = {".1": page, RECORD: recording}
"""What makes a whole file, by its suffix: the manual page in the section of commands, and the record."""


def commands_table() -> str:
    """Return a table of the commands for a running instance, with the signals that do the same."""
    return table(
        ("command", "what it does", "signal"), [(_usage(row), row.summary, _signals(row)) for row in COMMANDS.values()]
    )


def _usage(command: Command) -> str:
    if command.argument is None:
        return f"`imgsrv {command.name}`"
    name = f"[{command.argument.name}]" if command.argument.is_optional else command.argument.name
    return f"`imgsrv {command.name} {name}`"


def _signals(command: Command) -> str:
    return ", ".join(f"{signum.name}{f' ({argument})' if argument else ''}" for signum, argument in command.signals)


if __name__ == "__main__":
    sys.exit(main())
