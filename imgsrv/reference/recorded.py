"""The catalogue from a file of the package, for commands that tell of operations and formats without loading them.

`python -m imgsrv.cli.documents imgsrv/reference/recorded.json` writes that file, as it writes the documents;
`tests/reference/test_recorded.py` fails where it differs from the code.  What depends on this machine is not in it.
Where a file of operations was added or removed since, the catalogue is made from the code, which takes longer.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from imgsrv.reference.operation_files import operation_files

Row = dict[str, Any]
"""A row of the catalogue: of an operation, a format or a parameter."""

FILE = Path(__file__).with_suffix(".json")


@cache
def record() -> dict[str, Any]:
    """What `reference/recording.py` wrote, or would write now if there are other files of operations."""
    found: dict[str, Any] = json.loads(FILE.read_bytes())
    if found["files"] != operation_files():
        from imgsrv.reference.recording import recording  # noqa: PLC0415  it loads all operations

        found = json.loads(recording())
    return found


def catalogue() -> dict[str, Any]:
    """What `GET /operations` answers on this machine where a server has neither presets nor uploads."""
    everything: dict[str, Any] = record()["catalogue"]
    return {**everything, "formats": list(map(_here, everything["formats"]))}


def operations() -> dict[str, Row]:
    """The row of each operation by its name."""
    return {row["name"]: row for row in record()["catalogue"]["operations"]}


def output_parameters() -> list[Row]:
    """The rows of the output parameters."""
    found: list[Row] = record()["catalogue"]["output"]
    return found


def part_of(operation: str) -> str | None:
    """The part of the upload that the example of an operation uses."""
    part: str | None = record()["parts"].get(operation)
    return part


def written_here() -> list[str]:
    """The values of `format` that name a format or a placeholder which this machine writes."""
    lacking = {row["name"] for row in catalogue()["formats"] if not row["writes"]}
    return [name for name in record()["named_formats"] if name not in lacking]


def markdown() -> str:
    """The tables of operations, formats and output parameters."""
    return "\n".join(record()["markdown"])


def is_written(form: str) -> bool:
    """Results can be in the format, here or where its extra is installed."""
    return form in record()["named_formats"]


def _here(row: Row) -> Row:
    """The row of a format, with what this machine does of it."""
    decoder, encoder = record()["modules"].get(row["name"], ("", ""))
    reads = _has(decoder)
    return {**row, "reads": row["reads"] and reads, "writes": row["writes"] and reads and _has(encoder)}


def _has(module: str) -> bool:
    return not module or find_spec(module) is not None
