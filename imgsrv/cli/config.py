"""`imgsrv config`: every setting, its value, and where the value came from."""

from __future__ import annotations

import argparse
import json
from typing import Any

from rich.console import Console
from rich.table import Table

from imgsrv.cli.settings import add_settings, read_settings
from imgsrv.config import flag_name


def add_parser(commands: Any) -> None:
    """Add `config` to the commands."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "config",
        help="print every setting, its value and its source",
        description="Print every setting with its value and where that came from; takes the same flags as serve.",
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    add_settings(parser)
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Print the configuration.  Raises BadSetting where it is wrong."""
    configuration = read_settings(parsed)
    values = configuration.settings.model_dump(mode="json")
    if parsed.json:
        rows = {name: {"value": value, "source": configuration.sources[name]} for name, value in values.items()}
        print(json.dumps(rows, indent=2))
        return 0
    table = Table("flag", "value", "source", box=None, pad_edge=False, header_style="bold")
    for name, value in values.items():
        source = configuration.sources[name]
        table.add_row(flag_name(name), str(value), source, style="dim" if source == "default" else None)
    Console(soft_wrap=True).print(table)
    return 0
