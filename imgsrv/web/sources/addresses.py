"""Which addresses a source may be fetched from: those of the public internet, and what the operator allows beside.

The check is made with the address of the connection, so that the spelling of a host in a URL means nothing here:
`127.1`, `0x7f000001` and a name that resolves to it all are 127.0.0.1.

Source: the registries of special-purpose addresses of IANA (RFC 6890), for IPv4 and IPv6, of 2025.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

REFUSED_4 = {
    "0.0.0.0/8": "it means this machine",
    "10.0.0.0/8": "it is private",
    "100.64.0.0/10": "it is shared by customers of a provider",
    "127.0.0.0/8": "it is a loopback address",
    "168.63.129.16/32": "it is the platform of Azure",
    "169.254.0.0/16": "it is link-local, as metadata services of clouds are",
    "172.16.0.0/12": "it is private",
    "192.0.0.0/24": "it is reserved for protocols",
    "192.0.2.0/24": "it is for documentation",
    "192.88.99.0/24": "it is a relay of 6to4",
    "192.168.0.0/16": "it is private",
    "198.18.0.0/15": "it is for benchmarks",
    "198.51.100.0/24": "it is for documentation",
    "203.0.113.0/24": "it is for documentation",
    "224.0.0.0/4": "it is a multicast address",
    "240.0.0.0/4": "it is reserved",
}
"""Networks of IPv4 that are not public, and why."""

GLOBAL_6 = IPv6Network("2000::/3")
"""All addresses of IPv6 that are public lie here; loopback, mapped, unique local, link-local and multicast do not."""

REFUSED_6 = {
    "2001::/23": "it is reserved for protocols, Teredo among them",
    "2001:db8::/32": "it is for documentation",
    "2002::/16": "it is 6to4, which contains an address of IPv4",
    "3fff::/20": "it is for documentation",
}
"""Networks within GLOBAL_6 that are not public, and why."""

NAT64 = IPv6Network("64:ff9b::/96")
"""Addresses with one of IPv4 in the last 32 bits, by which a network of IPv6 alone reaches the internet of IPv4."""

ISATAP = (0x00005EFE, 0x02005EFE)
"""Bits 64 to 95 of an address that contains one of IPv4 (RFC 5214)."""

_REFUSED_4 = [(IPv4Network(text), reason) for text, reason in REFUSED_4.items()]
_REFUSED_6 = [(IPv6Network(text), reason) for text, reason in REFUSED_6.items()]


def refusal(text: str, allowed: Sequence[Network] = ()) -> str | None:
    """Why nothing is fetched from the address; None if it is public or allowed.

    text: as the system writes addresses, perhaps with a zone.  allowed: networks of the operator.
    """
    address = ip_address(text)
    if any(address in network for network in allowed):
        return None
    if isinstance(address, IPv4Address):
        return next((reason for network, reason in _REFUSED_4 if address in network), None)
    if address in NAT64:
        return refusal(str(IPv4Address(int(address) & 0xFFFFFFFF)), allowed)
    if address not in GLOBAL_6:
        return "it is not public"
    if (int(address) >> 32) & 0xFFFFFFFF in ISATAP:
        return "it is ISATAP, which contains an address of IPv4"
    return next((reason for network, reason in _REFUSED_6 if address in network), None)


def parse_networks(text: str) -> tuple[Network, ...]:
    """The networks in a list that is separated by commas.  Raises ValueError."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
