"""What this process was given from outside: the variables of its environment, and the folders of its user and system.

`whereabouts` reads only where an instance is found.  So a fault in another setting does not stop `imgsrv stop`, and a
command that asks a running server does not load what the settings of a server need.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imgsrv.errors import BadArgument, BadSetting, joined
from imgsrv.trusted_paths import weakness

ENVIRONMENT_PREFIX = "IMGSRV_"

DEFAULT_FILE = "imgsrv.toml"

NOTIFY_SOCKET = "NOTIFY_SOCKET"
"""The variable with the address of the socket on which systemd waits for `READY=1`."""

SYSTEM_RUNTIME_FOLDER = Path("/run/imgsrv")

INSTANCES = "instances"
"""The table in a file of several instances.  `[instances.NAME]` has settings of one, the top level those of all."""

DEFAULT_NAME = "default"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
NAME_ALLOWED = "1 to 64 letters, digits and ._-, the first a letter or a digit"
NAME_MEANING = "Name of this instance, by which commands such as `imgsrv status` find it."

LONGEST_RUNTIME_DIR = 100
"""Characters of the folder.  The path of a Unix socket has at most 107 bytes."""
RUNTIME_DIR_ALLOWED = "a path of at most 100 characters"
RUNTIME_DIR_MEANING = (
    "Folder of the control sockets.  Empty: XDG_RUNTIME_DIR/imgsrv, else /run/imgsrv if it is writable, else a folder "
    "under /tmp that the user owns."
)


def whereabouts(flags: Mapping[str, Any], file: Path | None) -> tuple[Path, str]:
    """The folder of the control sockets and the name of the instance that a command means.

    flags: those that were given.  file: the file with settings; only `name` and `runtime_dir` in it are looked at.
    Raises BadSetting, and BadArgument if the file has several instances and none is named.
    """
    given = settings_unchecked({"name": DEFAULT_NAME, "runtime_dir": ""}, flags, file)
    name, folder = given["name"], given["runtime_dir"]
    if not isinstance(name[0], str) or not NAME.fullmatch(name[0]):
        raise BadSetting(name[1], f"it must be {NAME_ALLOWED}")
    if not isinstance(folder[0], str) or len(folder[0]) > LONGEST_RUNTIME_DIR:
        raise BadSetting(folder[1], f"it must be {RUNTIME_DIR_ALLOWED}")
    return runtime_folder(folder[0]), name[0]


def settings_unchecked(
    wanted: Mapping[str, Any], flags: Mapping[str, Any], file: Path | None
) -> dict[str, tuple[Any, str]]:
    """The values of some settings, and each as the user gave it.  wanted: their names and defaults.

    flags: those that were given.  file: the file with settings.  Raises BadSetting if it is broken, and BadArgument if
    it has several instances and none is named.
    """
    values = file_values(file) if file and not wanted.keys() <= flags.keys() else {}
    if names := instance_names(values, file):
        if (which := wanted_name(flags)) is None:
            raise BadArgument(_choose(names, file))
        values = {**values, **values[INSTANCES].get(which, {})}
    given: dict[str, tuple[Any, str]] = {}
    for setting, default in wanted.items():
        if setting in flags:
            given[setting] = flags[setting], f"{flag_name(setting)}={flags[setting]}"
        elif (variable := environment_name(setting)) in os.environ:
            given[setting] = os.environ[variable], f"{variable}={os.environ[variable]}"
        else:
            value = values.get(setting, default)
            given[setting] = value, f"{setting} = {json.dumps(value, ensure_ascii=False, default=str)} in {file}"
    return given


def file_values(file: Path) -> dict[str, Any]:
    """The settings in a TOML file, unchecked.  Raises BadSetting if it is broken or root may not believe it."""
    try:
        if (fault := weakness(file)) is not None:
            # It can name code that the server runs, and folders that it writes to.
            raise BadSetting(f"--config={file}", f"root does not read it: {fault}")
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadSetting(f"--config={file}", error.strerror or str(error)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSetting(str(file), f"it is not valid TOML: {error}") from error


def wanted_name(flags: Mapping[str, Any]) -> str | None:
    """The name that a flag or the environment gives."""
    return flags.get("name") or os.environ.get(environment_name("name"))


def instance_names(values: Mapping[str, Any], file: Path | None) -> list[str]:
    """The names of the instances in a file of several; empty if it is a file of one.  Raises BadSetting."""
    tables = values.get(INSTANCES, {})
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise BadSetting(f"{INSTANCES} in {file}", "it must be tables such as [instances.thumbs], each with settings")
    for name, table in tables.items():
        if not NAME.fullmatch(name):
            raise BadSetting(f"[{INSTANCES}.{name}] in {file}", f"the name must be {NAME_ALLOWED}")
        if wrong := [setting for setting in ("name", INSTANCES) if setting in table]:
            raise BadSetting(f"{wrong[0]} in [{INSTANCES}.{name}] of {file}", "the name of the table is the name")
    if tables and "name" in values:
        raise BadSetting(f"name in {file}", f"the names of its instances are {joined(list(tables))}; leave it out")
    return list(tables)


def values_for_one(file: Path, name: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings in a file, unchecked, for the instance of that name: those of all, and those of its own table.

    Raises BadSetting, also if the file has several instances and this is none of them.
    """
    values = file_values(file)
    names = instance_names(values, file)
    if names and name is None:
        raise BadSetting(str(file), _choose(names))
    if names and name not in names:
        raise BadSetting(f"--name={name}", f"the instances in {file} are {joined(names)}")
    own = values.pop(INSTANCES, {}).get(name, {})
    return values, own


def _choose(names: list[str], file: Path | None = None) -> str:
    end = "choose one with --name NAME, or give --all to a command that takes it"
    return f"{file or 'it'} has the instances {joined(names)}; {end}"


def default_file(folder: Path = Path()) -> Path | None:
    """The file that is read if the user names none: `imgsrv.toml` in the current folder.  None if it does not exist.

    The file can name code that the server runs.  So the user or root must own it, and nobody else may write to it.
    Raises BadSetting otherwise.
    """
    file = folder / DEFAULT_FILE
    try:
        facts = file.stat()
    except OSError:
        return None
    if facts.st_uid not in (0, os.geteuid()):
        reason = "it belongs to another user, so it is not read by default"
    elif facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        reason = (
            f"others may write to it (mode {stat.S_IMODE(facts.st_mode):o}), so it is not read by default; chmod go-w"
        )
    else:
        return file
    raise BadSetting(f"{DEFAULT_FILE} in the current folder", f"{reason}, or name it with --config {file}")


def asked_line() -> list[str] | None:
    """The words of the line that a shell asks to complete, as argcomplete hands it over; None if no shell asks."""
    return os.environ.get("COMP_LINE", "").split() if "_ARGCOMPLETE" in os.environ else None


def environment() -> dict[str, str]:
    """A copy of the environment, for a process that must find the same settings."""
    return dict(os.environ)


def runtime_folder(runtime_dir: str) -> Path:
    """The folder of the control sockets.  runtime_dir: the setting."""
    if runtime_dir:
        return Path(runtime_dir).absolute()
    if own := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(own) / "imgsrv"
    if os.geteuid() == 0 or os.access(SYSTEM_RUNTIME_FOLDER, os.W_OK):
        return SYSTEM_RUNTIME_FOLDER
    # Another user may have created it first: pool/control/instances.py refuses a folder of another user.
    return Path(f"/tmp/imgsrv-{os.geteuid()}")  # noqa: S108


def state_folder() -> Path:
    """The folder for logs and crash reports of background instances.  Raises BadArgument if the user has no home."""
    if own := os.environ.get("XDG_STATE_HOME"):
        return Path(own).absolute() / "imgsrv"
    if os.geteuid() == 0:
        return Path("/var/log/imgsrv")
    try:
        return Path.home() / ".local" / "state" / "imgsrv"
    except RuntimeError as error:
        reason = f"user {os.geteuid()} has no home folder for the log and the crash reports"
        raise BadArgument(f"{reason}; set XDG_STATE_HOME, or name places with --log-file and --crash-dir") from error


def default_log_file(name: str) -> Path:
    """The log file of a background instance without the setting `log_file`."""
    return state_folder() / f"{name}.log"


def default_crash_folder(name: str) -> Path:
    """The folder for crash reports of a background instance without the setting `crash_dir`."""
    return state_folder() / "crashes" / name


def notify_socket() -> str:
    """The address of the socket on which systemd receives states of the service; empty without systemd."""
    return os.environ.get(NOTIFY_SOCKET, "")


def watchdog_s() -> float | None:
    """The watchdog period of systemd in seconds; None if systemd does not watch this process."""
    usec, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    return int(usec) / 1e6 if usec.isdecimal() and int(usec) and pid in ("", str(os.getpid())) else None


def inherited_sockets() -> int:
    """The number of sockets that systemd passed to this process; 0 in its children, which inherit the variables."""
    count, pid = os.environ.get("LISTEN_FDS", ""), os.environ.get("LISTEN_PID", "")
    return int(count) if count.isdecimal() and pid == str(os.getpid()) else 0


def flag_name(setting: str) -> str:
    """`max_body` → `--max-body`."""
    return "--" + setting.replace("_", "-")


def as_flags(given: Mapping[str, object]) -> str:
    """Settings as the end of a command, as a shell takes it: ` --name thumbs`.  Empty ones are left out."""
    return "".join(f" {flag_name(name)} {shlex.quote(str(value))}" for name, value in given.items() if value)


def environment_name(setting: str) -> str:
    """`max_body` → `IMGSRV_MAX_BODY`."""
    return ENVIRONMENT_PREFIX + setting.upper()
