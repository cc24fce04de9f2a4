"""Settings: every setting declared once, with its bounds, its meaning and where its value came from.

A flag beats the environment, the environment beats the file, the file beats the default.  Nobody else reads
`os.environ` or a configuration file.
"""

from __future__ import annotations

import json
import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ByteSize, Field, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from imgsrv.errors import BadSetting
from imgsrv.settings_checks import a_collector, a_folder, a_group, a_user, networks, no_folder
from imgsrv.wording import closest, describe_allowed

ENVIRONMENT_PREFIX = "IMGSRV_"

DEFAULT_FILE = "imgsrv.toml"

NOTIFY_SOCKET = "NOTIFY_SOCKET"
"""The variable that says where to tell that the server is ready."""

SYSTEM_RUNTIME_FOLDER = Path("/run/imgsrv")

Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
PositiveSeconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Workers = Literal["max", "auto"] | Annotated[int, Field(ge=1, le=1024)]
Bytes = Annotated[ByteSize, Field(ge=0, json_schema_extra={"allowed": "a size such as 64MB, 1GiB or 0"})]
Hook = Annotated[
    str,
    Field(
        pattern=r"^([A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*)?$",
        json_schema_extra={"allowed": "a function such as myhooks:start, or empty"},
    ),
]
"""Where a type has `allowed`, its schema alone would not tell a person what to write."""


class Settings(BaseSettings):
    """Every setting of the server, in the order in which `imgsrv config` prints them."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_prefix=ENVIRONMENT_PREFIX)

    name: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$",
            json_schema_extra={"allowed": "1 to 64 letters, digits and ._-, the first a letter or a digit"},
            description="Name of this instance, by which commands such as `imgsrv status` find it.",
        ),
    ] = "default"
    runtime_dir: Annotated[
        str,
        Field(
            max_length=100,  # no path of a socket has more than 107 bytes
            json_schema_extra={"allowed": "a path of at most 100 characters"},
            description="Folder of the control sockets; empty is XDG_RUNTIME_DIR/imgsrv, else /run/imgsrv where that "
            "may be used, else a folder of the user's own under /tmp.",
        ),
    ] = ""
    host: Annotated[
        str,
        Field(
            min_length=1,
            json_schema_extra={"allowed": "an address such as 0.0.0.0, ::1 or unix:/run/imgsrv.sock"},
            description="Address to listen on; 0.0.0.0 or :: for every interface, `unix:/path` for a unix socket.",
        ),
    ] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535, description="Port to listen on; 0 takes a free one.")] = 8000
    workers: Annotated[
        Workers,
        Field(
            description="Worker processes: `max` is one for each usable core (affinity, cpuset and cgroup quota), "
            "`auto` the same but at least two, so that one is always there to serve; or a number."
        ),
    ] = "auto"
    socket_mode: Annotated[
        str,
        Field(
            pattern="^0?[0-7]{3}$",
            json_schema_extra={"allowed": "three digits from 0 to 7, such as 660"},
            description="File mode of the Unix socket, as chmod takes it: it decides who may connect.",
        ),
    ] = "660"
    user: Annotated[
        str,
        AfterValidator(a_user),
        Field(description="User that the workers switch to; needs root.  Empty: they keep the user."),
    ] = ""
    group: Annotated[
        str,
        AfterValidator(a_group),
        Field(description="Group of the workers and of the Unix socket.  Empty: the group of the user."),
    ] = ""
    trusted_proxies: Annotated[
        str,
        AfterValidator(networks),
        Field(
            description="Proxies whose X-Forwarded-For, X-Forwarded-Proto and PROXY protocol are believed: "
            "addresses, networks such as 10.0.0.0/8, and `unix` for the unix socket, with commas between."
        ),
    ] = ""
    proxy_protocol: Annotated[
        bool, Field(description="Every connection begins with a PROXY protocol header, version 1 or 2.")
    ] = False
    backlog: Annotated[
        int, Field(ge=1, le=65_535, description="Connections that the accept queue of a worker holds.")
    ] = 1024

    max_body: Annotated[
        ByteSize,
        Field(
            ge=1,
            json_schema_extra={"allowed": "a size such as 64MB, of at least 1 byte"},
            description="Largest request body, such as 64MB.",
        ),
    ] = ByteSize(64_000_000)
    max_header: Annotated[
        ByteSize,
        Field(
            ge=1024,
            le=1_048_576,
            json_schema_extra={"allowed": "a size such as 32KiB, from 1KiB to 1MiB"},
            description="Largest request line with headers.",
        ),
    ] = ByteSize(32_768)
    max_pixels: Annotated[
        int, Field(ge=1, description="Most pixels of a picture, width × height × frames, known from its header.")
    ] = 100_000_000
    max_frames: Annotated[int, Field(ge=1, le=100_000, description="Most frames of an animation.")] = 256

    font_dir: Annotated[
        str,
        AfterValidator(a_folder),
        Field(description="Folder with further fonts for the operation `text`, named by their files; empty for none."),
    ] = ""

    header_timeout_s: Annotated[PositiveSeconds, Field(description="Longest wait for the headers of a request.")] = 10.0
    body_timeout_s: Annotated[PositiveSeconds, Field(description="Longest wait for a whole body.")] = 120.0
    body_rate: Annotated[
        int, Field(ge=0, description="Lowest rate of a body in bytes a second, over any 5 s; 0 for no limit.")
    ] = 1000
    keepalive_s: Annotated[
        PositiveSeconds,
        Field(description="Time for which an idle connection is kept; longer than the 60 s of many load balancers."),
    ] = 75.0
    job_timeout_s: Annotated[
        PositiveSeconds, Field(description="Longest time from a complete request to its answer.")
    ] = 30.0
    max_queue: Annotated[
        int, Field(ge=1, le=100_000, description="Most pictures that may wait for an engine; more are answered 503.")
    ] = 256
    max_wait_s: Annotated[
        PositiveSeconds, Field(description="Longest expected wait for an engine; beyond it the answer is 503.")
    ] = 10.0
    max_worker_memory: Annotated[
        Bytes,
        Field(
            description="Memory of a worker (PSS: shared memory in part), such as 1GB, above which it is replaced; "
            "0 for never.",
        ),
    ] = ByteSize(0)
    max_jobs_per_worker: Annotated[
        int,
        Field(ge=0, description="Pictures after which a worker is replaced, up to a tenth more; 0 for never."),
    ] = 0
    drain_s: Annotated[Seconds, Field(le=3600, description="Longest wait for open requests when the server stops.")] = (
        30.0
    )
    shutdown_delay_s: Annotated[
        Seconds,
        Field(description="Time in which /readyz answers 503 while the server still listens, for load balancers."),
    ] = 0.0

    auto_formats: Annotated[
        str,
        Field(
            pattern=r"^(jpeg|png|webp|avif|gif)(,(jpeg|png|webp|avif|gif))*$",
            json_schema_extra={"allowed": "one or more of jpeg, png, webp, avif and gif, with commas between"},
            description="What `format=auto` may choose, best first, where the client accepts several equally.",
        ),
    ] = "webp,avif"

    on_worker_start: Annotated[
        Hook, Field(description="A `module:function` that each worker calls with its slot before it serves.")
    ] = ""
    on_worker_stop: Annotated[
        Hook, Field(description="A `module:function` that each worker calls when it has answered its clients and ends.")
    ] = ""
    hook_timeout_s: Annotated[
        PositiveSeconds, Field(le=30, description="Longest time that a call of a hook may take.")
    ] = 10.0

    log_format: Annotated[
        Literal["auto", "text", "json"],
        Field(description="`auto` is text on a terminal and JSON lines elsewhere."),
    ] = "auto"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Field(description="Lowest level that is logged.")
    ] = "info"
    access_log: Annotated[bool, Field(description="Log one line for each request.")] = True
    slow_job_s: Annotated[Seconds, Field(description="Jobs that take longer are logged as `slow_job`; 0 for none.")] = (
        5.0
    )
    crash_dir: Annotated[
        str,
        AfterValidator(a_folder),
        Field(description="Folder for the reports of the last hundred crashes of workers; empty for none."),
    ] = ""
    quarantine: Annotated[
        str,
        AfterValidator(a_folder),
        Field(description="Folder for the pictures at which workers crashed, named by their SHA-256; empty for none."),
    ] = ""
    quarantine_max_size: Annotated[
        Bytes, Field(description="Most bytes of the quarantine, in at most a hundred pictures; the oldest are removed.")
    ] = ByteSize(1_000_000_000)
    log_file: Annotated[
        str,
        AfterValidator(no_folder),
        Field(description="Log file, opened again on SIGUSR1 and when it was moved; empty for stderr."),
    ] = ""
    log_max_size: Annotated[
        Bytes, Field(description="Size, such as 100MB, at which the log file is rotated; 0 for never.")
    ] = ByteSize(100_000_000)
    log_max_age_s: Annotated[
        float,
        Field(
            ge=0, le=366 * 86_400, allow_inf_nan=False, description="Age at which the log file is rotated; 0 for never."
        ),
    ] = 86_400.0
    log_keep: Annotated[int, Field(ge=0, description="Rotated log files that are kept, compressed; 0 keeps all.")] = 14

    otel_endpoint: Annotated[
        str,
        AfterValidator(a_collector),
        Field(
            description="Where traces go: an OpenTelemetry collector such as http://127.0.0.1:4318 (OTLP over HTTP, to "
            "/v1/traces); empty for none.  Needs the extra `otel`."
        ),
    ] = ""
    otel_ratio: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            allow_inf_nan=False,
            description="Fraction of the requests that is traced; a `traceparent` decides for its own request.",
        ),
    ] = 1.0


@dataclass(frozen=True)
class Configuration:
    """The settings and, for each, the source of its value: `default`, a file, a variable or a flag."""

    settings: Settings
    sources: Mapping[str, str]


def load_configuration(flags: Mapping[str, Any], file: Path | None = None) -> Configuration:
    """The configuration from flags, environment, file and defaults.

    flags: only those that were given.  file: TOML with the settings as top-level keys.
    Raises BadSetting naming the setting as it was given, the value, and what is allowed.
    """
    configuration, faults = read_configuration(flags, file)
    if configuration is None:
        raise faults[0]
    return configuration


def read_configuration(
    flags: Mapping[str, Any], file: Path | None = None
) -> tuple[Configuration | None, list[BadSetting]]:
    """The configuration; or None and everything that is wrong with it, so that all can be put right at once."""
    faults: list[BadSetting] = []
    from_file = _read_file(file, faults) if file else {}
    _refuse_unknown_variables(faults)
    from_environment = EnvSettingsSource(Settings)()
    values = {**from_file, **from_environment, **flags}
    sources = {
        **dict.fromkeys(Settings.model_fields, "default"),
        **dict.fromkeys(from_file, f"file {file}"),
        **{name: f"environment {environment_name(name)}" for name in from_environment},
        **{name: f"flag {flag_name(name)}" for name in flags},
    }
    try:
        # model_validate, not the constructor: that would read the environment a second time.
        settings = Settings.model_validate(values)
    except ValidationError as error:
        wrong = dict.fromkeys(str(fault["loc"][0]) for fault in error.errors())
        for name in wrong:
            flag, variable = f"{flag_name(name)}={values[name]}", f"{environment_name(name)}={values[name]}"
            line = f"{name} = {json.dumps(values[name], ensure_ascii=False, default=str)} in {file}"
            given = flag if name in flags else variable if name in from_environment else line
            faults.append(BadSetting(given, _reason(error, name)))
    return (None if faults else Configuration(settings, sources)), faults


def default_file(folder: Path = Path()) -> Path | None:
    """The file that is read where none is named: `imgsrv.toml` in the current folder, if there is one.

    It can name code to run, so it must be the user's own or root's, and nobody else may be able to write to it.
    Raises BadSetting where it is not so.
    """
    file = folder / DEFAULT_FILE
    try:
        facts = file.stat()
    except OSError:
        return None
    if facts.st_uid not in (0, os.geteuid()):
        reason = "it belongs to another user, so it is not read unasked"
    elif facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        reason = f"others may write to it (mode {stat.S_IMODE(facts.st_mode):o}), so it is not read unasked; chmod go-w"
    else:
        return file
    raise BadSetting(f"{DEFAULT_FILE} in the current folder", f"{reason}, or name it with --config {file}")


def environment() -> dict[str, str]:
    """What this process was given, for another one that is to find the same settings."""
    return dict(os.environ)


def runtime_folder(runtime_dir: str) -> Path:
    """The folder of the control sockets.  runtime_dir: the setting."""
    if runtime_dir:
        return Path(runtime_dir).absolute()
    if own := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(own) / "imgsrv"
    if os.geteuid() == 0 or os.access(SYSTEM_RUNTIME_FOLDER, os.W_OK):
        return SYSTEM_RUNTIME_FOLDER
    # Whoever makes it first: pool/control/instances.py refuses one that is not the user's own.
    return Path(f"/tmp/imgsrv-{os.geteuid()}")  # noqa: S108


def state_folder() -> Path:
    """Where an instance that was started in the background keeps its log and its crash reports."""
    if own := os.environ.get("XDG_STATE_HOME"):
        return Path(own).absolute() / "imgsrv"
    return Path("/var/log/imgsrv") if os.geteuid() == 0 else Path.home() / ".local" / "state" / "imgsrv"


def default_log_file(name: str) -> Path:
    """The log of an instance that was started in the background and told of no other."""
    return state_folder() / f"{name}.log"


def default_crash_folder(name: str) -> Path:
    """The same for its crash reports."""
    return state_folder() / "crashes" / name


def notify_socket() -> str:
    """Where systemd hears what becomes of the service; empty where nobody does."""
    return os.environ.get(NOTIFY_SOCKET, "")


def watchdog_s() -> float | None:
    """How often systemd wants a sign of life, in seconds; None where it wants none from this process."""
    usec, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    return int(usec) / 1e6 if usec.isdecimal() and int(usec) and pid in ("", str(os.getpid())) else None


def inherited_sockets() -> int:
    """How many sockets systemd has handed to this process; no process that it starts is to think the same."""
    count, pid = os.environ.get("LISTEN_FDS", ""), os.environ.get("LISTEN_PID", "")
    return int(count) if count.isdecimal() and pid == str(os.getpid()) else 0


def flag_name(setting: str) -> str:
    """`max_body` → `--max-body`."""
    return "--" + setting.replace("_", "-")


def environment_name(setting: str) -> str:
    """`max_body` → `IMGSRV_MAX_BODY`."""
    return ENVIRONMENT_PREFIX + setting.upper()


def _reason(error: ValidationError, setting: str) -> str:
    """What is allowed; or, where only a look at this machine could tell, what was found there."""
    fault = next(fault for fault in error.errors() if fault["loc"][0] == setting)
    if fault["type"] == "value_error":
        return str(fault["ctx"]["error"])
    return f"it must be {describe_allowed(Settings.model_json_schema()['properties'][setting])}"


def _read_file(file: Path, faults: list[BadSetting]) -> dict[str, Any]:
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        faults.append(BadSetting(f"--config={file}", error.strerror or str(error)))
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        faults.append(BadSetting(str(file), f"it is not valid TOML: {error}"))
        return {}
    known = list(Settings.model_fields)
    unknown = [name for name in values if name not in known]
    faults += [BadSetting(f"{name} in {file}", _no_such_setting(name, known)) for name in unknown]
    return {name: value for name, value in values.items() if name not in unknown}


def _refuse_unknown_variables(faults: list[BadSetting]) -> None:
    """A misspelt variable would otherwise be a setting without effect."""
    known = [environment_name(name) for name in Settings.model_fields]
    unknown = [name for name in os.environ if name.startswith(ENVIRONMENT_PREFIX) and name not in known]
    faults += [BadSetting(name, _no_such_setting(name, known, ENVIRONMENT_PREFIX)) for name in unknown]


def _no_such_setting(name: str, known: list[str], prefix: str = "") -> str:
    # Compared without the prefix, which would make everything look like everything.
    bare = {each.removeprefix(prefix).lower(): each for each in known}
    near = closest(name.removeprefix(prefix), bare)
    hint = f"did you mean {bare[near]}?" if near else "see `imgsrv config` for all of them"
    return f"there is no such setting; {hint}"
