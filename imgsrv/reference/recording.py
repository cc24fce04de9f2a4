"""The text of recorded.json, which `reference/recorded.py` reads."""

from __future__ import annotations

import json

from imgsrv.imaging.codecs.placeholders import PLACEHOLDERS
from imgsrv.imaging.formats import KNOWN
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.reference.catalogue import catalogue
from imgsrv.reference.examples import example_of
from imgsrv.reference.markdown import formats_table, operations_table, output_table
from imgsrv.reference.operation_files import operation_files


def recording() -> str:
    """The catalogue where every extra is installed, and what it takes to tell what is there of it."""
    everything = catalogue()
    for row in everything["formats"]:
        row |= {"reads": True, "writes": KNOWN[row["name"]].is_written}
    parts = {name: example_of(operation).part for name, operation in OPERATIONS.items()}
    found = {
        "catalogue": everything,
        "named_formats": [*(name for name, form in KNOWN.items() if form.is_written), *PLACEHOLDERS],
        "modules": {name: (form.wheel, form.writer) for name, form in KNOWN.items() if form.wheel or form.writer},
        "files": operation_files(),
        "parts": {name: part for name, part in parts.items() if part},
        "markdown": f"{operations_table()}\n\n{formats_table()}\n\n{output_table()}".splitlines(),
    }
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"
