"""`imgsrv fonts`: list the fonts of `text` with what they can write, as a table or as JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imgsrv.cli._flags import add_settings, read_settings
from imgsrv.settings_checks import split

COLUMNS = ("name", "family", "style", "file", "writes", "axes", "fallback")


def add_parser(commands: Any) -> None:
    """Add `fonts` to the commands."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "fonts",
        description="List the fonts that `text` can use: those of imgsrv and those of the folder in the settings.",
    )
    parser.add_argument("--json", action="store_true", help="print the same JSON as GET /fonts")
    add_settings(parser, ("font_dir", "font_fallback"))
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Print the list.  Raises BadSetting."""
    from imgsrv.cli._tables import console, say, show, table  # noqa: PLC0415  the help needs no fonts
    from imgsrv.imaging.lettering.fonts import font_facts, unusable_fonts, use_fallbacks, use_fonts  # noqa: PLC0415

    settings = read_settings(parsed).settings
    if settings.font_dir:
        use_fonts(Path(settings.font_dir))
    use_fallbacks(split(settings.font_fallback))
    facts = list(font_facts())
    if parsed.json:
        print(json.dumps({"fonts": facts}, indent=2, ensure_ascii=False))
        return 0
    screen = console()
    show(screen, table(COLUMNS, map(_row, facts), "Fonts"))
    for name, reason in unusable_fonts().items():
        say(screen, f"not used: {name}, which {reason}")
    return 0


def _row(fact: Mapping[str, Any]) -> tuple[str, ...]:
    from imgsrv.imaging.lettering.scripts import SCRIPTS  # noqa: PLC0415  as above

    scripts = dict.fromkeys(SCRIPTS.get(one, one) for one in fact["scripts"])
    axes = (f"{axis['tag']} {axis['min']:g}-{axis['max']:g}" for axis in fact["axes"])
    place = str(fact["fallback"] or "")
    return fact["name"], fact["family"], fact["style"], fact["file"], ", ".join(scripts), ", ".join(axes), place
