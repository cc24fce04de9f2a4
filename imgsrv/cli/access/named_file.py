"""The file that `imgsrv keys` and `imgsrv sign` work with: that of --file, else that of a setting."""

from __future__ import annotations

import argparse
from pathlib import Path

from imgsrv.environment import DEFAULT_FILE, NAME_MEANING, default_file, environment_name, settings_unchecked
from imgsrv.errors import BadArgument, BadSetting


def add_file(parser: argparse.ArgumentParser, setting: str) -> None:
    """Add the flags that name the file, or the configuration that does."""
    parser.add_argument("--file", type=Path, metavar="FILE", help=f"the file [that of the setting {setting}]")
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file with that setting")
    parser.add_argument("--name", default=argparse.SUPPRESS, metavar="NAME", help=NAME_MEANING)


def file_of(parsed: argparse.Namespace, setting: str) -> Path:
    """Return the file.  Raises BadArgument if none is named, and BadSetting for a file of settings that is broken."""
    if parsed.file is not None:
        return Path(parsed.file)
    flags = {"name": parsed.name} if "name" in parsed else {}
    file = parsed.config or default_file()
    value, given = settings_unchecked({setting: ""}, flags, file)[setting]
    if not isinstance(value, str):
        raise BadSetting(given, "it must be the name of a file")
    if not value:
        places = f"--file FILE, or the setting {setting} in {file or DEFAULT_FILE} or {environment_name(setting)}"
        raise BadArgument(f"no file is named; name one with {places}")
    return Path(value)
