"""`imgsrv config`: every setting, its value, and where the value came from."""

from __future__ import annotations

import argparse
import json
from typing import Any

from rich.console import Console

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
    values, sources = configuration.settings.model_dump(mode="json"), configuration.sources
    if parsed.json:
        rows = {name: {"value": value, "source": sources[name]} for name, value in values.items()}
        print(json.dumps(rows, indent=2))
        return 0
    lines = [("flag", "value", "source"), *((flag_name(name), str(values[name]), sources[name]) for name in values)]
    flag_width, value_width = (max(len(line[column]) for line in lines) for column in (0, 1))
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    for flag, value, source in lines:
        # Not a rich table: that would break a long path in two where the output is no terminal.
        style = {"default": "dim", "source": "bold"}.get(source)
        console.print(f"{flag:<{flag_width}}  {value:<{value_width}}  {source}", style=style)
    return 0
