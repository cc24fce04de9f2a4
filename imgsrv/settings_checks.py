"""Checks of settings that a type alone cannot make: whether what they name is there.

Each returns its text as it was, or raises ValueError with the reason.
"""

from __future__ import annotations

import grp
import ipaddress
import pwd
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

UNIX = "unix"
"""Among the trusted proxies: whoever comes over the unix socket, which has no address."""


def a_folder(name: str) -> str:
    """A folder that is there, or nothing."""
    if name and not Path(name).is_dir():
        raise ValueError(f"there is no folder {name}; make it, or name another")
    return name


def no_folder(name: str) -> str:
    """A file that is there or can be made, or nothing."""
    if name and Path(name).is_dir():
        raise ValueError(f"{name} is a folder; name a file in it")
    return name


def a_user(name: str) -> str:
    """A user of this machine, or nothing."""
    if name:
        try:
            pwd.getpwnam(name)
        except KeyError:
            raise ValueError(f"this machine has no user {name}") from None
    return name


def a_group(name: str) -> str:
    """A group of this machine, or nothing."""
    if name:
        try:
            grp.getgrnam(name)
        except KeyError:
            raise ValueError(f"this machine has no group {name}") from None
    return name


def networks(text: str) -> str:
    """Addresses, networks and `unix`, separated by commas, or nothing."""
    for each in split(text):
        if each != UNIX:
            try:
                ipaddress.ip_network(each)
            except ValueError as error:
                # Its own words name bits that are set, which says what to do; but not what else may stand here.
                raise ValueError(f"{error}; name addresses, networks such as 10.0.0.0/8 and `unix`") from None
    return text


def a_collector(url: str) -> str:
    """The base URL of an OpenTelemetry collector, with what it takes to speak to it, or nothing."""
    if url:
        parts = urlsplit(url)  # raises ValueError itself for some
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("a collector is named like http://127.0.0.1:4318")
        _ = parts.port  # raises ValueError for a number that is no port
        if not _is_installed("opentelemetry.exporter.otlp.proto.http.trace_exporter"):
            raise ValueError("traces need the extra `otel`: pip install 'imgsrv[otel]'")
    return url


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of a package that it lies in
        return False


def split(text: str) -> list[str]:
    """The parts of a list with commas."""
    return [part.strip() for part in text.split(",") if part.strip()]
