"""The client's address behind a proxy: X-Forwarded-For, X-Forwarded-Proto and the PROXY protocol.

Only trusted proxies are believed, because anybody can send these.
"""

from __future__ import annotations

import ipaddress
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from imgsrv.settings_checks import UNIX, split

Client = tuple[str, int] | None
"""Address and port; None for a client on a unix socket."""

V1, V2 = b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n"
"""The first bytes of a header, in the two versions."""

PORT = re.compile("[0-9]{1,5}")

MOST_PORTS = 65_535

SCOPE = "%"
"""It stands before the zone of an IPv6 address: a name in the sender's own network, without meaning elsewhere."""

LONGEST_V1 = 107
"""Bytes of the longest header that version 1 allows, with the end of its line."""

LONGEST_V2 = 4096
"""Bytes of the longest header of version 2 that is read; the version allows 64 KB, but no proxy sends so much."""

LONGEST_ADDRESS, MOST_PROXIES = 64, 32
"""Characters of an address in a header, and how many addresses of X-Forwarded-For are read, from its end."""

LOCAL, PROXIED = 0x20, 0x21
"""Version 2 and its command: the proxy's own connection, such as a health check, or a client's connection."""

V2_FAMILIES = {0x11: 4, 0x21: 16}
"""Bytes of an address, by the byte for TCP over IPv4 or IPv6."""


class BadProxyHeader(ValueError):
    """A connection does not begin as the PROXY protocol asks."""


@dataclass(frozen=True, slots=True)
class Preface:
    """A header of the PROXY protocol.  client: None if the header names none.  size: bytes of the header."""

    client: Client
    size: int


class Proxies:
    """The trusted proxies.  text: addresses, networks and `unix`, as the setting has them."""

    def __init__(self, text: str) -> None:
        parts = split(text)
        self._unix = UNIX in parts
        self._networks = [ipaddress.ip_network(part) for part in parts if part != UNIX]

    def __bool__(self) -> bool:
        return self._unix or bool(self._networks)

    def trusts(self, client: Client) -> bool:
        """True if the connection comes from a trusted proxy."""
        if client is None:
            return self._unix
        address = _address(client[0])
        return address is not None and any(address in network for network in self._networks)

    def forwarded(self, scope: dict[str, Any]) -> None:
        """Replace the proxy in the scope with the client that it names."""
        scope["client"] = self.behind(scope["client"], scope["headers"])
        schemes = [value for name, value in scope["headers"] if name == b"x-forwarded-proto"]
        if schemes and schemes[-1].lower() in (b"http", b"https"):
            scope["scheme"] = schemes[-1].lower().decode()

    def behind(self, client: Client, headers: Iterable[tuple[bytes, bytes]]) -> Client:
        """The client that a trusted proxy names.

        Each proxy appends the address from which it was called.  So the last address that is not a trusted proxy is
        the client's; addresses before it are only claims of the client.
        """
        named = [value for name, value in headers if name == b"x-forwarded-for"]
        for entry in reversed(b",".join(named).decode("latin-1").rsplit(",", MOST_PROXIES)):
            address = _named_address(_without_port(entry.strip()))
            if address is None:
                break
            client = (str(address), 0)
            if not self.trusts(client):
                break
        return client


def read_preface(data: bytes) -> Preface | None:
    """The header at the beginning of a connection; None if it is not complete yet.  Raises BadProxyHeader."""
    if data[: len(V2)] == V2[: len(data)]:
        return _read_v2(data)
    if data[: len(V1)] == V1[: len(data)]:
        return _read_v1(data)
    raise BadProxyHeader("it does not begin with a PROXY header")


def _read_v1(data: bytes) -> Preface | None:
    line, end, _rest = data[:LONGEST_V1].partition(b"\r\n")
    if not end:
        if len(data) >= LONGEST_V1:
            raise BadProxyHeader(f"its line is longer than {LONGEST_V1} bytes")
        return None
    size = len(line) + len(end)
    match line.decode("latin-1").split(" "):
        case ["PROXY", "UNKNOWN", *_]:
            return Preface(None, size)
        case ["PROXY", "TCP4" | "TCP6" as family, source, target, port, target_port]:
            version = int(family[-1])
            if not (all(map(_is_port, (port, target_port))) and all(_is(version, text) for text in (source, target))):
                raise BadProxyHeader(
                    "its line does not name two addresses of that family, without a zone, and two ports up to "
                    f"{MOST_PORTS}"
                )
            return Preface((source, int(port)), size)
    raise BadProxyHeader("its line is none of TCP4, TCP6 and UNKNOWN with two addresses and two ports")


def _is(version: int, text: str) -> bool:
    """True for an address of that version of IP; ::ffff:1.2.3.4 is an address of version 6."""
    try:
        return SCOPE not in text and ipaddress.ip_address(text).version == version
    except ValueError:
        return False


def _is_port(text: str) -> bool:
    return PORT.fullmatch(text) is not None and int(text) <= MOST_PORTS


def _read_v2(data: bytes) -> Preface | None:
    if len(data) < len(V2) + 4:
        return None
    command, family, length = struct.unpack_from("!BBH", data, len(V2))
    start, size = len(V2) + 4, len(V2) + 4 + length
    if command not in (LOCAL, PROXIED):
        raise BadProxyHeader(f"its version and command are {command:#x}, not 0x20 or 0x21")
    if size > LONGEST_V2:
        raise BadProxyHeader(f"it has {size} bytes and may have {LONGEST_V2}")
    if len(data) < size:
        return None
    width = V2_FAMILIES.get(family)
    if command == LOCAL or width is None:
        return Preface(None, size)
    if length < 2 * width + 4:
        raise BadProxyHeader("it is too short for its addresses")
    address = ipaddress.ip_address(data[start : start + width])
    return Preface((str(address), struct.unpack_from("!H", data, start + 2 * width)[0]), size)


def _without_port(text: str) -> str:
    """The address without the port that some proxies add: `1.2.3.4:5` → `1.2.3.4`, `[::1]:5` → `::1`."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _named_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address in a header; None if it is not valid or has a zone."""
    return None if SCOPE in text or len(text) > LONGEST_ADDRESS else _address(text)


@lru_cache(maxsize=1024)
def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # On a socket for both families an IPv4 address appears as ::ffff:1.2.3.4.
    return getattr(address, "ipv4_mapped", None) or address
