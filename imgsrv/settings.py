"""Settings: every setting declared once, with its bounds and its meaning; and the source of each value.

A flag beats the environment, the environment beats the file, the file beats the default.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from imgsrv.allowed_places import buckets, url_prefixes
from imgsrv.environment import (
    DEFAULT_NAME,
    ENVIRONMENT_PREFIX,
    INSTANCES,
    LONGEST_RUNTIME_DIR,
    NAME,
    NAME_ALLOWED,
    NAME_MEANING,
    RUNTIME_DIR_ALLOWED,
    RUNTIME_DIR_MEANING,
    environment,
    environment_name,
    flag_name,
    values_for_one,
    wanted_name,
)
from imgsrv.errors import BadSetting
from imgsrv.settings_checks import (
    a_collector,
    a_folder,
    a_group,
    a_redis,
    a_store,
    a_user,
    an_address,
    certificates,
    named_queries,
    names_of_fonts,
    networks,
    networks_alone,
    no_folder,
    origins,
    without_password,
)
from imgsrv.settings_rows import Setting, rows_of
from imgsrv.wording import RATE, closest

# The annotations of this module are read as it is imported, so it does without `from __future__ import annotations`.

Seconds = Annotated[float, Setting(ge=0, le=86_400)]
PositiveSeconds = Annotated[float, Setting(gt=0, le=86_400)]
Workers = Literal["max", "auto"] | Annotated[int, Setting(ge=1, le=1024)]
Size = Annotated[int, Setting(is_size=True, ge=0, allowed="a size such as 64MB, 1GiB or 0")]
Rate = Annotated[
    str, Setting(pattern=f"^({RATE})?$", allowed="a rate such as 100/minute or 10/second,burst=50, or empty")
]
Hook = Annotated[
    str,
    Setting(
        pattern=r"^([A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*)?$",
        allowed="a function such as myhooks:start, or empty",
    ),
]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every setting of the server, in the order in which `imgsrv config` prints them.

    It takes values as they are.  `load_configuration` checks those that a user gives.
    """

    name: Annotated[str, Setting(pattern=f"^{NAME.pattern}$", allowed=NAME_ALLOWED, description=NAME_MEANING)] = (
        DEFAULT_NAME
    )
    runtime_dir: Annotated[
        str,
        Setting(
            max_length=LONGEST_RUNTIME_DIR,
            allowed=RUNTIME_DIR_ALLOWED,
            description=RUNTIME_DIR_MEANING,
        ),
    ] = ""
    host: Annotated[
        str,
        Setting(
            min_length=1,
            allowed="an address such as 0.0.0.0, ::1 or unix:/run/imgsrv.sock",
            description="Address to listen on; 0.0.0.0 or :: for every interface, `unix:/path` for a Unix socket.",
        ),
    ] = "127.0.0.1"
    port: Annotated[int, Setting(ge=0, le=65_535, description="Port to listen on; 0 for any free port.")] = 8000
    workers: Annotated[
        Workers,
        Setting(
            description="Worker processes: `max` is one for each usable core (affinity, cpuset and cgroup quota); "
            "`auto` is the same but at least two, so that one serves while another starts; or a number."
        ),
    ] = "auto"
    socket_mode: Annotated[
        str,
        Setting(
            pattern="^0?[0-7]{3}$",
            allowed="three digits from 0 to 7, such as 660",
            description="File mode of the Unix socket, as for chmod; it decides who may connect.",
        ),
    ] = "660"
    user: Annotated[
        str,
        Setting(check=a_user, description="User that the workers switch to; needs root.  Empty: they do not switch."),
    ] = ""
    group: Annotated[
        str,
        Setting(
            check=a_group, description="Group of the workers and of the Unix socket.  Empty: the group of the user."
        ),
    ] = ""
    trusted_proxies: Annotated[
        str,
        Setting(
            check=networks,
            description="Proxies whose X-Forwarded-For, X-Forwarded-Proto and PROXY protocol are believed: "
            "addresses, networks such as 10.0.0.0/8, and `unix` for the Unix socket, separated by commas.",
        ),
    ] = ""
    proxy_protocol: Annotated[
        bool, Setting(description="Every connection begins with a PROXY protocol header, version 1 or 2.")
    ] = False
    metrics_listen: Annotated[
        str,
        Setting(
            check=an_address,
            allowed="HOST:PORT, such as 127.0.0.1:9100, or empty",
            description="Address of its own for /metrics, where no key is asked for; /healthz and /readyz "
            "are answered there too, and the address of the pictures has no /metrics then.  Empty: it has.",
        ),
    ] = ""
    backlog: Annotated[
        int, Setting(ge=1, le=65_535, description="Connections that the accept queue of a worker holds.")
    ] = 1024

    keys_file: Annotated[
        str,
        Setting(
            check=no_folder,
            description="File of API keys, as `imgsrv keys add` writes it; only who has one of them may ask.  Empty: "
            "anybody may.  A reload reads it anew.",
        ),
    ] = ""
    secrets_file: Annotated[
        str,
        Setting(
            check=no_folder,
            description="File of secrets for signed URLs, `NAME SECRET` in each line; only signed URLs, and who has an "
            "API key, may ask.  Empty: none.  A reload reads it anew.",
        ),
    ] = ""
    presets: Annotated[
        dict[str, str],
        Setting(
            parse=named_queries,
            allowed="names with a query each, such as thumb=ops=resize:width=200&format=webp",
            description="Queries of /pipeline for `/pipeline?preset=NAME`: in the file a table `[presets]`, else "
            "NAME=QUERY, with spaces between them.",
        ),
    ] = field(default_factory=dict)
    presets_only: Annotated[bool, Setting(description="Refuse every picture that no preset asks for.")] = False
    pages: Annotated[
        bool, Setting(description="Answer a browser at `/` with a page to try everything, and not with JSON.")
    ] = True
    cors_origins: Annotated[
        str,
        Setting(
            check=origins,
            description="Origins whose pages may read the answers in a browser, such as https://example.org, separated "
            "by commas; * for all, empty for none.",
        ),
    ] = ""
    cors_max_age_s: Annotated[
        int, Setting(ge=0, le=86_400, description="Seconds for which a browser keeps the answer to a CORS preflight.")
    ] = 7200
    client_limit: Annotated[
        Rate, Setting(description="Requests of each client network, such as 100/minute; empty for no limit.")
    ] = ""
    client_work: Annotated[
        Rate,
        Setting(description="Seconds of an engine for each client network, such as 30/minute; empty for no limit."),
    ] = ""
    key_limit: Annotated[
        Rate, Setting(description="Requests of each API key, unless the key has a limit of its own.  Empty: no limit.")
    ] = ""
    key_work: Annotated[
        Rate, Setting(description="Seconds of an engine for each API key, unless the key says another number.")
    ] = ""
    client_prefix_4: Annotated[
        int, Setting(ge=8, le=32, description="Bits of an IPv4 address that make a client network; 32 for one address.")
    ] = 32
    client_prefix_6: Annotated[
        int, Setting(ge=16, le=128, description="Bits of an IPv6 address that make a client network.")
    ] = 64
    limit_store: Annotated[
        str,
        Setting(
            check=a_redis,
            is_masked=True,
            description="Redis or Valkey that keeps the limits of several machines, such as redis://10.0.0.5:6379/0 or "
            "rediss://…; empty for the memory of this machine.  Needs the extra `redis`.",
        ),
    ] = ""
    limit_store_timeout_s: Annotated[
        PositiveSeconds, Setting(le=5, description="Longest wait for an answer of that store.")
    ] = 0.1
    limit_store_down: Annotated[
        Literal["serve", "refuse"],
        Setting(description="What happens to requests while the store does not answer: served without limits, or 503."),
    ] = "serve"
    limit_clients: Annotated[
        int,
        Setting(
            ge=64,
            le=16_777_216,
            description="Allowances that the memory of the limits holds, 16 bytes each; of more, those that are full "
            "first go.",
        ),
    ] = 65_536

    max_body: Annotated[
        int,
        Setting(
            is_size=True,
            ge=1,
            allowed="a size such as 64MB, of at least 1 byte",
            description="Largest request body, such as 64MB.",
        ),
    ] = 64_000_000
    max_header: Annotated[
        int,
        Setting(
            is_size=True,
            ge=1024,
            le=1_048_576,
            allowed="a size such as 32KiB, from 1KiB to 1MiB",
            description="Largest request line with headers.",
        ),
    ] = 32_768
    max_pixels: Annotated[
        int, Setting(ge=1, description="Most pixels of a picture, width × height × frames, as its header gives them.")
    ] = 100_000_000
    max_frames: Annotated[int, Setting(ge=1, le=100_000, description="Most frames of an animation.")] = 256
    max_job_cost_s: Annotated[
        PositiveSeconds,
        Setting(
            description="Most seconds of an engine that a picture may take, by an estimate from its header and from "
            "what is asked for."
        ),
    ] = 15.0
    max_job_memory: Annotated[
        int,
        Setting(
            is_size=True,
            ge=1,
            allowed="a size such as 4GiB, of at least 1 byte",
            description="Most memory that a picture may take, by the same estimate, such as 4GiB.",
        ),
    ] = 4 << 30
    weights_file: Annotated[
        str,
        Setting(
            check=no_folder,
            description="File with the times of this machine for these estimates, as `imgsrv bench --weights` prints "
            "it; empty for those that come with imgsrv.",
        ),
    ] = ""

    font_dir: Annotated[
        str,
        Setting(
            check=a_folder,
            description="Folder with more fonts for the operation `text`, named after their files; empty for none.",
        ),
    ] = ""
    font_fallback: Annotated[
        str,
        Setting(
            check=names_of_fonts,
            description="Fonts for letters that the font of a `text` lacks, separated by commas; the first that has a "
            "letter writes it, such as NotoSansArabic-Regular,NotoSansThai-Regular; empty for none: then the text is "
            "refused. `imgsrv fonts` lists the names.",
        ),
    ] = ""

    source_dir: Annotated[
        str,
        Setting(
            check=a_folder, description="Folder whose files a request may name with `source=file:…`; empty for none."
        ),
    ] = ""
    source_http: Annotated[
        str,
        Setting(
            check=url_prefixes,
            description="Beginnings of the URLs that a request may name with `source=https://…`, separated by commas, "
            "such as https://images.example.com/photos/, https://*.example.com/, or https:// for every host; empty for "
            "none.",
        ),
    ] = ""
    source_buckets: Annotated[
        str,
        Setting(
            check=buckets,
            description="Buckets whose objects a request may name with `source=s3://…`, separated by commas, such as "
            "s3://photos, or gs://photos/public/ for a folder; empty for none.  Needs the extra `s3`.",
        ),
    ] = ""
    source_private_addresses: Annotated[
        str,
        Setting(
            check=networks_alone,
            description="Addresses that sources may be fetched from though they are not public: addresses and networks "
            "such as 10.1.0.0/16, separated by commas.",
        ),
    ] = ""
    source_ca_file: Annotated[
        str,
        Setting(
            check=certificates,
            description="File with certificates (PEM) that https: sources may have, beside those of the system.",
        ),
    ] = ""
    source_redirects: Annotated[
        int, Setting(ge=0, le=20, description="Most redirects of one source; each is checked as the first URL is.")
    ] = 3
    source_timeout_s: Annotated[
        PositiveSeconds, Setting(description="Longest time in which the sources of a request must come.")
    ] = 20.0

    uploads_dir: Annotated[
        str,
        Setting(
            check=a_folder,
            description="Folder that keeps pictures of `POST /uploads`, which requests then name with "
            "`source=upload:ID`; empty for none.",
        ),
    ] = ""
    uploads: Annotated[
        str,
        Setting(
            check=a_store,
            is_masked=True,
            description="Store of uploads of several machines in place of a folder: redis://, rediss:// or unix:// for "
            "Redis (extra `redis`); s3://bucket/prefix, gs:// or az:// for a bucket (extra `s3`).",
        ),
    ] = ""
    uploads_timeout_s: Annotated[
        PositiveSeconds,
        Setting(le=600, description="Longest time in which that store must take an upload, or answer a question."),
    ] = 10.0
    uploads_ttl_s: Annotated[
        float,
        Setting(gt=0, le=864_000, description="How long an upload is kept."),
    ] = 3600.0
    uploads_max_size: Annotated[
        int,
        Setting(
            is_size=True,
            ge=1,
            allowed="a size such as 1GB, of at least 1 byte",
            description="Most bytes of the uploads of one API key, or of all clients without a key.",
        ),
    ] = 1_000_000_000
    uploads_max_count: Annotated[
        int, Setting(ge=1, le=100_000, description="Most uploads of one API key, or of all clients without a key.")
    ] = 1000

    header_timeout_s: Annotated[PositiveSeconds, Setting(description="Longest wait for the headers of a request.")] = (
        10.0
    )
    body_timeout_s: Annotated[PositiveSeconds, Setting(description="Longest wait for a whole body.")] = 120.0
    body_rate: Annotated[
        int, Setting(ge=0, description="Lowest rate of a body in bytes per second, over any 5 s; 0 for no limit.")
    ] = 1000
    send_timeout_s: Annotated[
        PositiveSeconds,
        Setting(
            description="Longest time for sending an answer; a stop or reload waits so long for clients that read."
        ),
    ] = 300.0
    send_rate: Annotated[
        int,
        Setting(
            ge=0, description="Lowest rate in bytes a second, over any 10 s, of reading an answer; 0 for no limit."
        ),
    ] = 1000
    keepalive_s: Annotated[
        PositiveSeconds,
        Setting(description="How long an idle connection is kept; longer than the 60 s of many load balancers."),
    ] = 75.0
    job_timeout_s: Annotated[
        PositiveSeconds, Setting(description="Longest time from a complete request to its answer.")
    ] = 30.0
    max_queue: Annotated[
        int,
        Setting(
            ge=1,
            le=100_000,
            description="Most cheap and most dear pictures that may wait for an engine; the answer to more is 503.",
        ),
    ] = 256
    max_wait_s: Annotated[
        PositiveSeconds, Setting(description="Longest expected wait for an engine; beyond it the answer is 503.")
    ] = 10.0
    max_memory: Annotated[
        Literal["auto"] | Annotated[int, Setting(is_size=True, ge=1)],
        Setting(
            allowed="auto, or a size such as 2GB",
            description="Memory for bodies, unread answers and jobs of all workers; beyond it a request is answered "
            "503.  `auto` is four fifths of the machine or cgroup.",
        ),
    ] = "auto"
    max_worker_memory: Annotated[
        Size,
        Setting(
            description="Memory above which a worker is replaced, such as 1GB; 0 for never.  It is measured as PSS, "
            "which counts a part of the shared memory.",
        ),
    ] = 0
    max_jobs_per_worker: Annotated[
        int,
        Setting(
            ge=0, description="Pictures after which a worker is replaced, plus up to a tenth at random; 0 for never."
        ),
    ] = 0
    silence_s: Annotated[
        Seconds,
        Setting(description="Time without a sign of life after which a worker is replaced; 0 for never."),
    ] = 5.0
    drain_s: Annotated[
        Seconds, Setting(le=3600, description="Longest wait for open requests when the server stops.")
    ] = 30.0
    shutdown_delay_s: Annotated[
        Seconds,
        Setting(
            description="How long /readyz answers 503 at a stop while the server still listens, for load balancers."
        ),
    ] = 0.0
    agent_listen: Annotated[
        str,
        Setting(
            check=an_address,
            allowed="HOST:PORT, such as 0.0.0.0:8001, or empty",
            description="Address on which HAProxy's agent-check learns how much room this server has; empty for none.",
        ),
    ] = ""

    auto_formats: Annotated[
        str,
        Setting(
            pattern=r"^(jpeg|png|webp|avif|gif)(,(jpeg|png|webp|avif|gif))*$",
            allowed="one or more of jpeg, png, webp, avif and gif, separated by commas",
            description="Formats that `format=auto` may choose, best first; the order decides if a client "
            "accepts several equally.  AVIF is chosen for results of 10,000 to 2,000,000 pixels.",
        ),
    ] = "avif,webp"

    cache_dir: Annotated[
        str,
        Setting(check=a_folder, description="Folder of the result cache, which all workers share; empty for none."),
    ] = ""
    cache_url: Annotated[
        str,
        Setting(
            check=a_store,
            is_masked=True,
            description="Result cache of several machines in place of a folder: redis://, rediss:// or unix:// for "
            "Redis (extra `redis`); s3://bucket/prefix, gs:// or az:// for a bucket (extra `s3`).",
        ),
    ] = ""
    cache_timeout_s: Annotated[
        PositiveSeconds, Setting(le=10, description="Longest wait for an answer of that cache; then it is passed over.")
    ] = 0.5
    cache_size: Annotated[
        int,
        Setting(
            is_size=True,
            ge=1_000_000,
            allowed="a size such as 1GB, of at least 1MB",
            description="Most bytes of the folder of the result cache; what was not used for longest is removed.",
        ),
    ] = 1_000_000_000
    cache_max_entry: Annotated[
        int,
        Setting(
            is_size=True,
            ge=1,
            allowed="a size such as 8MB, of at least 1 byte",
            description="Largest result that is kept in the cache.",
        ),
    ] = 8_000_000
    cache_ttl_s: Annotated[
        float,
        Setting(
            ge=0,
            le=366 * 86_400,
            description="Seconds for which browsers and proxies may use an answer whose source says nothing of it.",
        ),
    ] = 3600.0
    cache_max_ttl_s: Annotated[
        float,
        Setting(
            ge=0,
            le=366 * 86_400,
            description="Most seconds of that kind that a source may ask for.",
        ),
    ] = 31 * 86_400.0
    cache_posts: Annotated[
        bool, Setting(description="Keep the results of POSTed pictures, too, by the digest of their bytes.")
    ] = False

    on_worker_start: Annotated[
        Hook, Setting(description="A `module:function` that each worker calls with its slot before it serves.")
    ] = ""
    on_worker_stop: Annotated[
        Hook, Setting(description="A `module:function` that each worker calls before it ends, after its last answer.")
    ] = ""
    hook_timeout_s: Annotated[
        PositiveSeconds, Setting(le=30, description="Longest duration of one call of a hook.")
    ] = 10.0

    log_format: Annotated[
        Literal["auto", "text", "json"],
        Setting(description="`auto` is text on a terminal, else JSON lines."),
    ] = "auto"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Setting(description="Lowest level that is logged.")
    ] = "info"
    access_log: Annotated[bool, Setting(description="Log one line for each request.")] = True
    slow_job_s: Annotated[
        Seconds, Setting(description="Jobs that take longer are logged as `slow_job`; 0 for none.")
    ] = 5.0
    crash_dir: Annotated[
        str,
        Setting(
            check=a_folder, description="Folder for reports of the last hundred crashes of workers; empty for none."
        ),
    ] = ""
    quarantine: Annotated[
        str,
        Setting(
            check=a_folder,
            description="Folder for pictures that crashed a worker, named after their SHA-256; empty for none.",
        ),
    ] = ""
    quarantine_max_size: Annotated[
        Size,
        Setting(
            description="Largest size of the quarantine, which has at most a hundred pictures; the oldest are removed."
        ),
    ] = 1_000_000_000
    log_file: Annotated[
        str,
        Setting(
            check=no_folder, description="Log file; it is opened again on SIGUSR1 and if it was moved.  Empty: stderr."
        ),
    ] = ""
    log_max_size: Annotated[
        Size, Setting(description="Size, such as 100MB, at which the log file is rotated; 0 for never.")
    ] = 100_000_000
    log_max_age_s: Annotated[
        float,
        Setting(ge=0, le=366 * 86_400, description="Age at which the log file is rotated; 0 for never."),
    ] = 86_400.0
    log_keep: Annotated[int, Setting(ge=0, description="Rotated log files that are kept, compressed; 0 keeps all.")] = (
        14
    )

    otel_endpoint: Annotated[
        str,
        Setting(
            check=a_collector,
            description="OpenTelemetry collector that receives the traces, such as http://127.0.0.1:4318 (OTLP over "
            "HTTP, to /v1/traces); empty for none.  Needs the extra `otel`.",
        ),
    ] = ""
    otel_ratio: Annotated[
        float,
        Setting(
            ge=0,
            le=1,
            description="Fraction of the requests that are traced; a request with a `traceparent` follows that header.",
        ),
    ] = 1.0


SETTINGS = rows_of(Settings)
"""Each setting by its name."""


def shown(settings: Settings) -> dict[str, Any]:
    """Every setting with its value, JSON-compatible, without the passwords in URLs."""
    values = {name: getattr(settings, name) for name in SETTINGS}
    return {name: without_password(value) if SETTINGS[name].is_masked else value for name, value in values.items()}


@dataclass(frozen=True)
class Configuration:
    """The settings, and the source of each value: `default`, a file, an environment variable or a flag."""

    settings: Settings
    sources: Mapping[str, str]


def load_configuration(flags: Mapping[str, Any], file: Path | None = None) -> Configuration:
    """The configuration from flags, environment, file and defaults.

    flags: only those that the user gave.  file: TOML with the settings as top-level keys.
    Raises BadSetting for the first fault; it shows the setting as the user gave it, and what is allowed.
    """
    configuration, faults = read_configuration(flags, file)
    if configuration is None:
        raise faults[0]
    return configuration


def read_configuration(
    flags: Mapping[str, Any], file: Path | None = None
) -> tuple[Configuration | None, list[BadSetting]]:
    """The configuration; or None and all faults, so that the user can correct all of them at once."""
    faults: list[BadSetting] = []
    name = wanted_name(flags)
    from_file, from_table = _read_file(file, name, faults) if file else ({}, {})
    _refuse_unknown_variables(faults)
    variables = environment()
    named = {name: environment_name(name) for name in SETTINGS}
    from_environment = {name: variables[variable] for name, variable in named.items() if variable in variables}
    values = {**from_file, **from_table, **from_environment, **flags}
    sources = {
        **dict.fromkeys(SETTINGS, "default"),
        **dict.fromkeys(from_file, f"file {file}"),
        **dict.fromkeys(from_table, f"file {file} [{INSTANCES}.{name}]"),
        **{name: f"environment {environment_name(name)}" for name in from_environment},
        **{name: f"flag {flag_name(name)}" for name in flags},
    }
    checked = {}
    for setting in (one for one in SETTINGS.values() if one.name in values):
        name, value = setting.name, values[setting.name]
        try:
            checked[name] = setting.checked(value)
        except ValueError as reason:
            line = f"{name} = {json.dumps(value, ensure_ascii=False, default=str)} in {file}"
            variable = f"{environment_name(name)}={value}" if name in from_environment else line
            given = f"{flag_name(name)}={value}" if name in flags else variable
            faults.append(BadSetting(without_password(given), str(reason)))
    return (None if faults else Configuration(Settings(**checked), sources)), faults


def _read_file(file: Path, name: str | None, faults: list[BadSetting]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings in a file for all of its instances, and those in the table of the instance of that name."""
    try:
        given = values_for_one(file, name)
    except BadSetting as fault:
        faults.append(fault)
        return {}, {}
    known = list(SETTINGS)
    unknown = [setting for values in given for setting in values if setting not in known]
    faults += [BadSetting(f"{setting} in {file}", _no_such_setting(setting, known)) for setting in unknown]
    of_all, of_one = ({key: value for key, value in values.items() if key not in unknown} for values in given)
    return of_all, of_one


def _refuse_unknown_variables(faults: list[BadSetting]) -> None:
    """Report misspelt variables, which would otherwise have no effect."""
    known = [environment_name(name) for name in SETTINGS]
    unknown = [name for name in environment() if name.startswith(ENVIRONMENT_PREFIX) and name not in known]
    faults += [BadSetting(name, _no_such_setting(name, known, ENVIRONMENT_PREFIX)) for name in unknown]


def _no_such_setting(name: str, known: list[str], prefix: str = "") -> str:
    # The names are compared without the prefix, because the prefix makes all names similar.
    bare = {each.removeprefix(prefix).lower(): each for each in known}
    near = closest(name.removeprefix(prefix), bare)
    hint = f"did you mean {bare[near]}?" if near else "see `imgsrv config` for all of them"
    return f"there is no such setting; {hint}"
