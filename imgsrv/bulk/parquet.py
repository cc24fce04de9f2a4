"""A manifest as a Parquet table: written at the end of a run from the JSON lines beside it, which a crash leaves whole.

pyarrow is an extra, and is imported when a table is written.
"""

from __future__ import annotations

import json
import os
from datetime import datetime
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from imgsrv.bulk.known import RUN
from imgsrv.bulk.places import written_whole
from imgsrv.bulk.work import own_mark
from imgsrv.errors import BadArgument
from imgsrv.installed import install_command

SUFFIX = ".parquet"

COLUMNS = {
    **dict.fromkeys(("source", "target", "status", "format"), "string"),
    **dict.fromkeys(("width", "height", "bytes"), "int64"),
    **dict.fromkeys(("version", "error", "node", "lost"), "string"),
    "broken": "bool_",
    "seconds": "float64",
}
"""Their types by their names in pyarrow; `at` is a timestamp in UTC."""


def journal_of(manifest: Path) -> Path:
    """The file of JSON lines that is written during the run: for a table, one beside it.

    Raises BadArgument if the manifest is to be a table and pyarrow is not installed.
    """
    if manifest.suffix.lower() != SUFFIX:
        return manifest
    if find_spec("pyarrow") is None:
        raise BadArgument(
            f"{manifest} needs the extra `parquet`: {install_command('parquet')}; or name a file of JSON lines, such "
            f"as {manifest.with_suffix('.jsonl')}"
        )
    return manifest.with_name(f"{manifest.name}.jsonl")


def write_table(journal: Path, table: Path) -> None:
    """Write the last record of each source as a row.  The table is replaced when it is whole."""
    arrow = import_module("pyarrow")
    last: dict[str, dict[str, Any]] = {}
    with journal.open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            if row["status"] != RUN:
                last[row["source"]] = row
    rows = last.values()
    arrays = {
        name: arrow.array([_text(row.get(name)) for row in rows], getattr(arrow, kind)())
        for name, kind in COLUMNS.items()
    }
    ends = [datetime.fromisoformat(row["at"]) for row in rows]
    whole = arrow.table({**arrays, "at": arrow.array(ends, arrow.timestamp("ms", tz="UTC"))})
    try:
        with written_whole(table, own_mark(os.getpid()), "", overwrites=True) as file:
            import_module("pyarrow.parquet").write_table(whole, file)
    except OSError as error:
        raise BadArgument(
            f"the manifest {table} cannot be written: {error.strerror or error}; see {journal}"
        ) from error


def _text(value: Any) -> Any:
    """A value; the bytes of a name that are no text as escapes, since a table holds only text."""
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value
