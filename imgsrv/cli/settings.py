"""Settings as flags: derived from the fields of `Settings`, never written a second time."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from imgsrv.config import (
    DEFAULT_FILE,
    Configuration,
    Settings,
    default_file,
    environment_name,
    flag_name,
    load_configuration,
)


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Give the parser a flag for each setting, and `--config`."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help=f"TOML file with settings as top-level keys [{DEFAULT_FILE} in the current folder, where there is one]",
    )
    group = parser.add_argument_group(
        "settings", "Each can also come from the environment (IMGSRV_…) or from the file; a flag wins."
    )
    for name, field in Settings.model_fields.items():
        default = field.get_default()
        is_switch = field.annotation is bool
        details: dict[str, Any] = (
            {"action": argparse.BooleanOptionalAction} if is_switch else {"metavar": name.rsplit("_", 1)[-1].upper()}
        )
        group.add_argument(
            flag_name(name),
            dest=name,
            default=argparse.SUPPRESS,
            help=f"{field.description} [{default}] ({environment_name(name)})".replace("%", "%%"),
            **details,
        )


def read_settings(parsed: argparse.Namespace) -> Configuration:
    """The configuration with the flags that were given on top.  Raises BadSetting."""
    return load_configuration(given_flags(parsed), parsed.config or default_file())


def given_flags(parsed: argparse.Namespace) -> dict[str, Any]:
    """The settings among the flags, those that were given."""
    return {name: value for name, value in vars(parsed).items() if name in Settings.model_fields}
