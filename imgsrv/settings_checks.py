"""Checks of settings that need this machine: whether a named folder, user, group or package exists.

Each check returns its text unchanged, or raises ValueError with the reason.
"""

from __future__ import annotations

import grp
import ipaddress
import os
import pwd
import re
import stat
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from imgsrv.installed import install_command

PASSWORD = re.compile(r"(://[^:/@\s]*:)[^@/\s]*@")
"""A password in a URL, and what is before it."""

LAST_PORT = 65_535

REACHABLE = "name another, or change the modes of the folders above it"

UNIX = "unix"
"""The word in `trusted_proxies` for clients of the Unix socket, which have no address."""

UNIX_PREFIX = "unix:"
"""Before the path of a Unix socket in `host`."""


def a_folder(name: str) -> str:
    """Accept an existing folder, or an empty text."""
    if name:
        try:
            is_folder = stat.S_ISDIR(Path(name).stat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            raise ValueError(f"the folder {name} does not exist; create it, or name another") from None
        except OSError as error:
            raise ValueError(f"the folder {name} cannot be reached: {error.strerror}; {REACHABLE}") from None
        if not is_folder:
            raise ValueError(f"{name} is no folder; name one")
    return name


def no_folder(name: str) -> str:
    """Accept anything but an existing folder."""
    if name and os.path.isdir(name):  # noqa: PTH112  Path.is_dir raises for a folder that is closed
        raise ValueError(f"{name} is a folder; name a file in it")
    return name


def names_of_fonts(text: str) -> str:
    """Accept names as `imgsrv fonts` lists them, separated by commas."""
    for name in split(text):
        if "/" in name or name.lower().endswith((".ttf", ".otf", ".ttc")):
            raise ValueError(f"{name} is a file; write the name of the font, as `imgsrv fonts` lists it")
    return text


def a_user(name: str) -> str:
    """Accept a user of this machine, or an empty text."""
    if name:
        try:
            pwd.getpwnam(name)
        except KeyError:
            raise ValueError(f"this machine has no user {name}") from None
    return name


def a_group(name: str) -> str:
    """Accept a group of this machine, or an empty text."""
    if name:
        try:
            grp.getgrnam(name)
        except KeyError:
            raise ValueError(f"this machine has no group {name}") from None
    return name


def networks(text: str) -> str:
    """Accept addresses, networks and `unix`, separated by commas, or an empty text."""
    for each in split(text):
        if each != UNIX:
            try:
                ipaddress.ip_network(each)
            except ValueError as error:
                # The message of ipaddress names the wrong bits, but not what else is allowed.
                raise ValueError(f"{error}; allowed are addresses, networks such as 10.0.0.0/8, and `unix`") from None
    return text


def networks_alone(text: str) -> str:
    """Accept addresses and networks separated by commas, or an empty text."""
    if UNIX in split(text):
        raise ValueError("allowed are addresses and networks such as 10.0.0.0/8")
    return networks(text)


def certificates(name: str) -> str:
    """Accept a file with certificates that can be loaded, or an empty text."""
    if name:
        import ssl  # noqa: PLC0415  it takes 2 MB of memory, and most servers need it not

        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(name)
        except (OSError, ssl.SSLError) as error:
            raise ValueError(f"{name} cannot be loaded as certificates: {error.strerror or error}") from None
    return name


def origins(text: str) -> str:
    """Accept origins as browsers send them, separated by commas, `*`, or an empty text."""
    for each in split(text):
        parts = urlsplit(each)  # raises ValueError for some texts
        if each != "*" and (each != f"{parts.scheme}://{parts.netloc}" or not parts.hostname or "@" in each):
            raise ValueError(f"{each} is no origin; allowed are such as https://example.org, without a path, and *")
    return text


def named_queries(value: Any) -> Any:
    """NAME=QUERY NAME=QUERY of a flag or the environment as a mapping; what a file has is one already."""
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in value.split()]
    if not all(name and query for name, _, query in pairs) or len({name for name, _, _ in pairs}) < len(pairs):
        raise ValueError("it must be NAME=QUERY, each name once, with spaces between them")
    return {name: query for name, _, query in pairs}


def an_address(text: str) -> str:
    """Accept `HOST:PORT`, or an empty text."""
    if text:
        split_address(text)
    return text


def split_address(text: str) -> tuple[str, int]:
    """Split `HOST:PORT`; an IPv6 address stands in brackets.  Raises ValueError."""
    host, _, port = text.rpartition(":")
    if not host or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > LAST_PORT:
        raise ValueError("it must be HOST:PORT, such as 0.0.0.0:8001 or [::]:8001")
    if ":" in host and not (host[0] == "[" and host[-1] == "]"):
        raise ValueError("an IPv6 address stands in brackets, such as [::1]:8001")
    return host.strip("[]"), int(port)


def a_collector(url: str) -> str:
    """Accept the base URL of an OpenTelemetry collector if the extra `otel` is installed, or an empty text."""
    if url:
        parts = urlsplit(url)  # raises ValueError for some texts
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("it must be the address of a collector, such as http://127.0.0.1:4318")
        _ = parts.port  # raises ValueError for an invalid port
        if not _is_installed("opentelemetry.exporter.otlp.proto.http.trace_exporter"):
            raise ValueError(f"traces need the extra `otel`: {install_command('otel')}")
    return url


def a_redis(url: str) -> str:
    """Accept the URL of a Redis if the extra `redis` is installed, or an empty text."""
    if url:
        parts = urlsplit(url)  # raises ValueError for some texts
        if not (parts.scheme in ("redis", "rediss") and parts.hostname) and not (parts.scheme == "unix" and parts.path):
            raise ValueError("it must be a URL such as redis://127.0.0.1:6379/0, rediss://… or unix:///run/redis.sock")
        _ = parts.port  # raises ValueError for an invalid port
        if not _is_installed("redis.asyncio"):
            raise ValueError(f"Redis needs the extra `redis`: {install_command('redis')}")
    return url


def is_redis(url: str) -> bool:
    """True for the URL of a Redis, as `a_redis` takes it, by its scheme alone."""
    return url.partition(":")[0] in ("redis", "rediss", "unix")


def without_password(text: str) -> str:
    """The text with `***` in place of a password in a URL."""
    return PASSWORD.sub(r"\1***@", text)


def a_store(url: str) -> str:
    """Accept the URL of a Redis or of a bucket if its extra is installed, or an empty text."""
    kind = url.partition(":")[0]
    if kind in ("s3", "gs", "az"):
        if not urlsplit(url).hostname:
            raise ValueError("it must name a bucket, such as s3://bucket/prefix")
        if not _is_installed("obstore"):
            raise ValueError(f"a bucket needs the extra `s3`: {install_command('s3')}")
        return url
    if url and not is_redis(url):
        raise ValueError("it must be a URL such as redis://127.0.0.1:6379/0 or s3://bucket/prefix")
    return a_redis(url)


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package around the module does not exist
        return False


def split(text: str) -> list[str]:
    """The parts of a list that are separated by commas, without white space."""
    return [part.strip() for part in text.split(",") if part.strip()]
