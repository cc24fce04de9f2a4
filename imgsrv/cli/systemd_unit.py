"""`imgsrv systemd-unit`: print a hardened service for systemd, with the settings that are given as flags."""

from __future__ import annotations

import argparse
import grp
import pwd
import stat
import sys
from pathlib import Path
from typing import Any

from imgsrv.cli._flags import add_settings, given_flags, read_settings
from imgsrv.environment import DEFAULT_NAME, flag_name
from imgsrv.errors import BadArgument, BadSetting, joined
from imgsrv.settings import SETTINGS, Settings
from imgsrv.settings_checks import UNIX_PREFIX

PRIVILEGED_PORTS = 1024

WRITTEN = ("cache_dir", "uploads_dir", "crash_dir", "quarantine", "log_file")
"""Settings that name what the server writes."""

SECRET = ("keys_file", "secrets_file")
"""Settings that name what the server's user must be able to read, and others should not."""

KEPT_FOLDERS = {"/var/cache": "CacheDirectory", "/var/log": "LogsDirectory", "/var/lib": "StateDirectory"}
"""Where systemd makes a folder of the service's own user, and by which line of the unit."""

UNIT_SETTINGS = ("user", "group")
"""Settings that have their own line in the unit: systemd starts the server as this user and group."""

SERVICE = """\
[Unit]
Description=imgsrv {name}: an image-processing HTTP server
After=network.target{requires}

[Service]
Type=notify
NotifyAccess=main
{who}
ExecStart={command}
ExecReload={program} reload --name={name}
KillMode=mixed
TimeoutStartSec=120
TimeoutStopSec={stop_s}
WatchdogSec=30
Restart=always
RestartSec=1
LimitNOFILE=65536
MemoryMax={memory}
OOMPolicy=continue

RuntimeDirectory={folder}
RuntimeDirectoryMode=0755
StateDirectory={kept}
{writable}WorkingDirectory=%S/{folder}
Environment=IMGSRV_RUNTIME_DIR=%t/{folder}

NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
SystemCallArchitectures=native
SystemCallFilter=@system-service
CapabilityBoundingSet={capabilities}
AmbientCapabilities={capabilities}
UMask=0027

[Install]
WantedBy=multi-user.target
"""

SOCKET = """\
[Unit]
Description=Socket of imgsrv {name}

[Socket]
ListenStream={address}
Backlog={backlog}{mode}
NoDelay=yes
Service=imgsrv-{name}.service

[Install]
WantedBy=sockets.target
"""


def add_parser(commands: Any) -> None:
    """Add `systemd-unit` to the commands."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "systemd-unit",
        description="Print a hardened service for systemd that runs serve with the given settings.",
    )
    parser.add_argument("--socket", action="store_true", help="print the .socket unit, for socket activation")
    parser.add_argument(
        "--with-socket", action="store_true", help="print a service that gets its socket from the .socket unit"
    )
    parser.add_argument(
        "--memory-max",
        default="80%",
        metavar="SIZE",
        help="memory limit of the service, as systemd takes it [80%%]",
    )
    add_settings(parser)
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Print the unit.

    Raises BadSetting, also for what the user of the service may not do, and BadArgument for what systemd cannot take.
    """
    settings = read_settings(parsed).settings
    flags = given_flags(parsed)
    for value in (*map(str, flags.values()), parsed.memory_max):
        if any(not character.isprintable() for character in value):
            raise BadArgument(f"a unit cannot contain {value!r}: it has characters that are not printable")
    print(_socket(settings) if parsed.socket else _service(settings, flags, parsed), end="")
    return 0


def _service(settings: Settings, flags: dict[str, Any], parsed: argparse.Namespace) -> str:
    # The program of a virtual environment needs no activation.
    program = _quoted(str(Path(sys.argv[0]).absolute() if sys.argv[0].endswith("imgsrv") else _program()))
    arguments = [_flag(name, value) for name, value in flags.items() if name not in UNIT_SETTINGS]
    if parsed.config:
        arguments.append(_quoted(f"--config={parsed.config.absolute()}"))
    name = settings.name
    _check_secrets(settings)
    needs_right = settings.port < PRIVILEGED_PORTS and not parsed.with_socket and not _is_unix(settings)
    return SERVICE.format(
        name=name,
        folder=_own_folder(name),
        requires=f"\nRequires=imgsrv-{name}.socket" if parsed.with_socket else "",
        who=_who(settings),
        program=program,
        command=" ".join([program, "serve", *arguments]),
        stop_s=round(settings.shutdown_delay_s + settings.drain_s + settings.send_timeout_s) + 10,
        memory=parsed.memory_max,
        capabilities="CAP_NET_BIND_SERVICE" if needs_right else "",
        **_writable(settings),
    )


def _own_folder(name: str) -> str:
    """Commands of root look in `imgsrv` by default.  Two services may have different users, so each has its folder."""
    return "imgsrv" if name == DEFAULT_NAME else f"imgsrv-{name}"


def _writable(settings: Settings) -> dict[str, str]:
    """The lines that let the service write where its settings say.  Raises BadSetting for a place that it may not."""
    kept: dict[str, list[str]] = {"StateDirectory": [_own_folder(settings.name)]}
    others = list[str]()
    for setting in WRITTEN:
        if not (given := getattr(settings, setting)):
            continue
        folder = Path(given).absolute().parent if setting == "log_file" else Path(given).absolute()
        root = next((root for root in KEPT_FOLDERS if folder.is_relative_to(root) and folder != Path(root)), None)
        if root is not None:
            kept.setdefault(KEPT_FOLDERS[root], []).append(str(folder.relative_to(root)))
        elif settings.user:
            others.append(_quoted(str(folder)))
        else:
            reason = f"the service runs as a user of its own, which may not write to {folder}; name a folder below "
            raise BadSetting(f"{flag_name(setting)}={given}", f"{reason}{joined(list(KEPT_FOLDERS))}, or give --user")
    state = _words(kept.pop("StateDirectory"))
    lines = [f"{key}={_words(folders)}\n" for key, folders in kept.items()]
    lines += [f"ReadWritePaths={' '.join(dict.fromkeys(others))}\n"] if others else []
    return {"kept": state, "writable": "".join(lines)}


def _words(folders: list[str]) -> str:
    return " ".join(dict.fromkeys(map(_quoted, folders)))


def _check_secrets(settings: Settings) -> None:
    """Raise BadSetting for a file of keys or secrets that the user of the service may not read."""
    owner = pwd.getpwnam(settings.user) if settings.user else None
    group = grp.getgrnam(settings.group).gr_gid if settings.group else owner and owner.pw_gid
    for setting in SECRET:
        if not (given := getattr(settings, setting)) or (owner is not None and owner.pw_uid == 0):
            continue
        facts = Path(given).stat()
        if not (
            facts.st_mode & stat.S_IROTH
            or (facts.st_gid == group and facts.st_mode & stat.S_IRGRP)
            or (owner is not None and facts.st_uid == owner.pw_uid and facts.st_mode & stat.S_IRUSR)
        ):
            user = settings.user or "imgsrv"
            who = f"the user {user}" if owner else "the service, which runs as a user of its own,"
            first = "" if owner else f"make a user (useradd --system {user}), give --user {user}, and "
            advice = f"{first}let it own the file: chown {user} {given}"
            raise BadSetting(f"{flag_name(setting)}={given}", f"{who} may not read it; {advice}")


def _socket(settings: Settings) -> str:
    mode = f"\nSocketMode=0{settings.socket_mode.lstrip('0')}" if _is_unix(settings) else ""
    if _is_unix(settings) and settings.group:
        mode += f"\nSocketGroup={settings.group}"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = settings.host.removeprefix(UNIX_PREFIX) if _is_unix(settings) else f"{host}:{settings.port}"
    return SOCKET.format(name=settings.name, address=address, backlog=settings.backlog, mode=mode)


def _who(settings: Settings) -> str:
    if not settings.user:
        return "DynamicUser=yes" + (f"\nGroup={settings.group}" if settings.group else "")
    return f"User={settings.user}" + (f"\nGroup={settings.group}" if settings.group else "")


def _is_unix(settings: Settings) -> bool:
    return settings.host.startswith(UNIX_PREFIX)


def _program() -> Path:
    """Return the path of `imgsrv` beside this interpreter."""
    return Path(sys.executable).parent / "imgsrv"


def _flag(name: str, value: Any) -> str:
    if SETTINGS[name].is_switch:
        return flag_name(name) if value else f"--no-{flag_name(name).removeprefix('--')}"
    return _quoted(f"{flag_name(name)}={value}")


def _quoted(text: str) -> str:
    """Quote a word of a command for systemd: there `%` and `$` have a meaning, and a space ends a word."""
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{text}"' if any(character.isspace() or character in "\\\"';" for character in text) else text
