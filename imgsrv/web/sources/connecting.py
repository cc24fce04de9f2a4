"""Connections to other servers: the one place that makes them, and checks the address of each.

A name is resolved once.  Every address that it has is checked, and the connection is made to one of these addresses,
not to the name, so a name that means another machine a moment later changes nothing.  No proxy and no other setting of
the environment is used.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, TypeVar

from imgsrv.observe.log.logger import get_logger
from imgsrv.shortages import FOR_REPLIES, is_scarce
from imgsrv.web.sources.addresses import Network, refusal
from imgsrv.web.sources.urls import Url

if TYPE_CHECKING:
    import ssl

CONNECT_S = 5.0
"""Longest wait for a connection to one address, its TLS included."""

MOST_LOOKUPS = 32
"""Names of one worker that are resolved at one time; further ones wait, within the time limit of their sources."""

STREAM = socket.SOCK_STREAM

MOST_ADDRESSES = 8
"""Addresses of a name that are tried, one after another."""

Made = TypeVar("Made", bound=asyncio.Protocol)


class Unreachable(Exception):
    """No connection to a server.  reason: in words, without its addresses, which strangers need not know."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RefusedAddress(Exception):
    """A host has an address that nothing is fetched from.  reason: why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Connector:
    """Makes connections.

    allowed: networks that are allowed though they are not public.  ca_file: certificates beside those of the system.
    """

    def __init__(self, allowed: Sequence[Network], ca_file: str) -> None:
        self._allowed, self._ca_file = allowed, ca_file
        self._tls: ssl.SSLContext | None = None
        # Threads of their own: a name server that is silent must not stop uploads and files, which need threads too.
        self._lookups = ThreadPoolExecutor(MOST_LOOKUPS, thread_name_prefix="imgsrv-names")

    async def connect(self, url: Url, make: Callable[[], Made]) -> Made:
        """A connection to the host of the URL.  Raises Unreachable, RefusedAddress, and OSError for a shortage here."""
        addresses = await self._addresses(url)
        fault: Exception | None = None
        for address in addresses[:MOST_ADDRESSES]:
            try:
                async with asyncio.timeout(CONNECT_S):
                    return await self._connected(url, address, make)
            except TimeoutError as error:
                fault, reason = error, "it does not answer"
            except OSError as error:
                if _is_certificate(error):
                    raise Unreachable(f"its certificate is not valid: {_told(error)}") from error
                fault, reason = error, _told(error)
        raise Unreachable(reason) from fault

    async def _addresses(self, url: Url) -> list[str]:
        """The addresses of the host.  All must be allowed: a name with one that is not is no public one."""
        loop, host = asyncio.get_running_loop(), url.host.strip("[]")
        try:
            found = await loop.run_in_executor(self._lookups, partial(socket.getaddrinfo, host, url.port, type=STREAM))
        except (OSError, UnicodeError) as error:
            raise Unreachable("its host has no address") from error
        addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
        if not addresses:
            raise Unreachable("its host has no address")
        for address in addresses:
            self._check(url, address)
        return addresses

    async def _connected(self, url: Url, address: str, make: Callable[[], Made]) -> Made:
        tls = self._context() if url.scheme == "https" else None
        name = url.host.strip("[]") if tls else None
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_connection(make, address, url.port, ssl=tls, server_hostname=name)
        try:
            self._check_peer(url, transport, address)
        except BaseException:
            transport.abort()
            raise
        return protocol

    def _check_peer(self, url: Url, transport: asyncio.Transport, address: str) -> None:
        """Check the other end of the connection itself, and that descriptors are left for the work of others."""
        peer = str(transport.get_extra_info("peername")[0])
        if ip_address(peer) != ip_address(address):
            raise RefusedAddress("it is not the address that was asked for")
        self._check(url, peer)
        if is_scarce(transport.get_extra_info("socket").fileno(), FOR_REPLIES):
            raise Unreachable("this server has no descriptor left for it")

    def _check(self, url: Url, address: str) -> None:
        if (reason := refusal(address, self._allowed)) is not None:
            get_logger().warning("source_address_refused", host=url.host, address=address, reason=reason)
            raise RefusedAddress(reason)

    def _context(self) -> ssl.SSLContext:
        """The certificates that are trusted; loaded when the first https: source is asked for."""
        if self._tls is None:
            import ssl  # noqa: PLC0415  it takes 2 MB of memory, and most servers need it not

            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
            if self._ca_file:
                self._tls.load_verify_locations(self._ca_file)
        return self._tls


def _is_certificate(error: OSError) -> bool:
    return hasattr(error, "verify_message")


def _told(error: OSError) -> str:
    """The error in words, without addresses."""
    for name in ("verify_message", "reason"):
        if (text := getattr(error, name, None)) and isinstance(text, str):
            return text.lower().replace("_", " ")
    return (os.strerror(error.errno) if error.errno else "the connection fails").lower()
