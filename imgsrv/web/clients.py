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


HALVED_S = 5.0
"""What a client has used of the engines counts half after so long."""

MOST_KNOWN = 1024
"""The use of so many clients is remembered; of more, the half that has used most."""

MOST_HALVINGS = 64
"""After so many, what was used before is made small, so that no number grows for ever."""


class Usage:
    """The predicted seconds that clients have used of the engines of late: each counts half after HALVED_S.

    Newer seconds get a larger weight, in place of a smaller one for the older: only ratios count.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._began_at = clock, clock()
        self._used: dict[str, float] = {}
        self._total = 0.0

    def add(self, client: str, seconds: float) -> None:
        """Count what a client uses."""
        halvings = (self._clock() - self._began_at) / HALVED_S
        if halvings > MOST_HALVINGS:
            self._keep({client: used * 2**-halvings for client, used in self._used.items()})
            self._began_at, halvings = self._clock(), 0.0
        weighted = seconds * 2**halvings
        self._used[client] = self._used.get(client, 0.0) + weighted
        self._total += weighted
        if len(self._used) > MOST_KNOWN:
            most = sorted(self._used.items(), key=lambda use: use[1])[MOST_KNOWN // 2 :]
            self._keep(dict(most))

    def _keep(self, used: dict[str, float]) -> None:
        self._used = {client: seconds for client, seconds in used.items() if seconds}
        self._total = sum(self._used.values())

    def is_light(self, client: str) -> bool:
        """Whether the client has used at most the mean of all, itself included."""
        used = self._used.get(client, 0.0)
        return used * len(self._used) <= self._total


class Clients:
    """What this front knows of its clients."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._unread: Counter[str] = Counter()
        self._promised: Counter[str] = Counter()
        self._usage = Usage(clock)
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

    def is_light(self, client: str) -> bool:
        """Whether a client has of late used no more of the engines than its share."""
        return self._usage.is_light(client)

    def used(self, client: str, seconds: float) -> None:
        """A job of the client, with so much predicted work, goes to the engines."""
        self._usage.add(client, seconds)

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
