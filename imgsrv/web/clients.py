"""The clients of a front, by address: who was here of late, and how much of its answers each has still to read."""

from __future__ import annotations

import ipaddress
import math
import time
from collections import Counter
from collections.abc import Callable
from functools import lru_cache

from imgsrv.errors import MEGA
from imgsrv.settings_checks import UNIX

MOST_UNREAD = 64 << 20
"""While others are here, a client that has so many bytes of answers still to read gets no further job begun."""

PRESENT_S = 5.0
"""A client is here for so long after it has asked for a picture."""

NETWORK_BITS = 64
"""One client of IPv6 usually has all addresses of a network of this length (RFC 6177)."""


class Clients:
    """What this front knows of its clients."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._unread: Counter[str] = Counter()
        self._promised: Counter[str] = Counter()
        self._last, self._last_at, self._other_at = "", -math.inf, -math.inf

    def came(self, client: str) -> None:
        """A client asks for a picture."""
        if client != self._last:
            self._last, self._other_at = client, self._last_at
        self._last_at = self._clock()

    def is_mixed(self) -> bool:
        """Whether more than one client is there."""
        return self._clock() - self._other_at < PRESENT_S

    def is_held(self, client: str) -> bool:
        """Whether the client has to read before its next job is begun: others are here, and would wait for nothing."""
        if self._unread[client] <= MOST_UNREAD:
            return False
        return self._clock() - (self._other_at if client == self._last else self._last_at) < PRESENT_S

    def reason(self, client: str) -> str:
        """Why the jobs of a client that is held wait."""
        unread = self._unread[client] / MEGA
        return f"other clients wait, and {unread:.1f} MB of answers to this address are not read yet; read them first"

    def held_bytes(self, client: str) -> int:
        """The bytes of answers that the client has still to read or to get."""
        return self._unread[client] + self._promised[client]

    def promise(self, client: str, size: int) -> None:
        """Count the expected result of a job in, or out if the size is negative."""
        _count(self._promised, client, size)

    def owe(self, client: str, size: int) -> None:
        """Count an answer in, or out if the size is negative."""
        _count(self._unread, client, size)


def _count(counter: Counter[str], client: str, size: int) -> None:
    counter[client] += size
    if not counter[client]:
        del counter[client]


def client_of(address: tuple[str, int] | None) -> str:
    """The name by which a client is counted: its IPv4 address, the network of its IPv6 address, or `unix`."""
    return UNIX if address is None else _named(address[0])


@lru_cache(maxsize=1024)
def _named(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    if isinstance(address, ipaddress.IPv4Address):
        return text
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), NETWORK_BITS), strict=False))
