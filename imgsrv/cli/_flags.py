"""Flags for settings, derived from SETTINGS."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from pathlib import Path
from typing import Any

from imgsrv.cli.shell.completion import completes
from imgsrv.environment import DEFAULT_FILE, default_file, environment_name, flag_name
from imgsrv.settings import SETTINGS, Configuration, load_configuration
from imgsrv.settings_rows import Setting

METAVARS = {
    "port": "PORT",
    "workers": "N|max|auto",
    "on_worker_start": "MODULE:FUNCTION",
    "on_worker_stop": "MODULE:FUNCTION",
    "quarantine": "DIR",
}
"""Placeholders of values in the help, where neither the type nor the name gives a good one."""


def add_settings(parser: argparse.ArgumentParser, shown: Collection[str] | None = None) -> None:
    """Add `--config` and a flag for each setting to the parser.

    shown: the settings that the help of the command tells; the others are accepted all the same, because the command
    takes the command line of a server.  None for all of them.
    """
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help=f"TOML file with settings as top-level keys [{DEFAULT_FILE} in the current folder, if it exists]",
    )
    group = parser.add_argument_group(
        "settings", "A setting can also come from the environment (IMGSRV_…) or from the file.  A flag wins."
    )
    for name, setting in SETTINGS.items():
        help_text = f"{setting.description} [{setting.default}] ({environment_name(name)})"
        details: dict[str, Any] = (
            {"action": argparse.BooleanOptionalAction} if setting.is_switch else {"metavar": _metavar(setting)}
        )
        action = group.add_argument(
            flag_name(name),
            dest=name,
            default=argparse.SUPPRESS,
            help=argparse.SUPPRESS if shown is not None and name not in shown else help_text.replace("%", "%%"),
            **details,
        )
        if setting.choices:
            completes(action, *setting.choices)


def _metavar(setting: Setting) -> str:
    """Return the placeholder of a value in the help: its choices, its unit, or the last word of its name."""
    if setting.choices:
        return "|".join(setting.choices)
    unit = "SIZE" if setting.is_size else "N" if setting.kind is int else ""
    return METAVARS.get(setting.name) or unit or setting.name.rsplit("_", 1)[-1].upper()


def read_settings(parsed: argparse.Namespace) -> Configuration:
    """Return the configuration; given flags take precedence.  Raises BadSetting."""
    return load_configuration(given_flags(parsed), parsed.config or default_file())


def given_flags(parsed: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that were given as flags."""
    return {name: value for name, value in vars(parsed).items() if name in SETTINGS}
