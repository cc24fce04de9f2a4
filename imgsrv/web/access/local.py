"""Whether a request comes from this machine, from the program that opened the connection and not through a proxy.

An address alone does not tell: a proxy on this machine connects from loopback for everybody, and a page of another
site can make a browser on this machine ask.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from imgsrv.web.http.host import Headers
from imgsrv.web.http.proxy_headers import Client

FORWARDING = frozenset((b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip"))
"""Headers that proxies add."""

LONGEST_HOST = 255


def is_local(peer: Client, headers: Headers) -> bool:
    """True for a client of this machine.  peer: the other end of the connection; None for a Unix socket.

    The Host must be a name of loopback: a name that is resolved to loopback may belong to a page of another site.  An
    Origin must be that host.
    """
    if peer is None or not _is_loopback(peer[0]):
        return False
    found = dict(headers)
    if not FORWARDING.isdisjoint(found):
        return False
    host = found.get(b"host", b"").decode("latin-1").lower()
    origin = found.get(b"origin")
    if origin is not None and origin.decode("latin-1").lower().partition("://")[2] != host:
        return False
    return found.get(b"sec-fetch-site", b"none") in (b"none", b"same-origin") and _names_loopback(host)


def _names_loopback(host: str) -> bool:
    if len(host) > LONGEST_HOST:
        return False
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name == "localhost" or _is_loopback(name)


def _is_loopback(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
