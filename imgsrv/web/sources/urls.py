"""URLs of sources, read so strictly that no other reader can see another host or path in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address
from urllib.parse import quote, unquote, urljoin

from imgsrv.allowed_places import PORTS

URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[^?#\x00-\x20\x7f\\]*)?(?P<query>\?[^#\x00-\x20\x7f\\]*)?",
    re.ASCII | re.IGNORECASE,
)

NUMERIC = re.compile(r"(^|\.)(0x[0-9a-f]*|[0-9]+)$")
"""The end of a host that the system takes for an address and not for a name."""

LONGEST_URL = 8192
"""Characters of a URL, encoded; that of a redirect may be longer than that of a client."""

LONGEST_HOST = 253

SAFE = "/%:@!$&'()*+,;=~-._"
"""Characters of a path that are not encoded again."""

KEPT_URLS = 256
"""Size of the cache of URLs: a picture is mostly asked for in several sizes."""

MOST_ENCODED = 4
"""A path may be encoded so many times, one in the other, before it is refused."""

EXAMPLE = "write it like https://example.com/photos/cat.jpg"


@dataclass(frozen=True, slots=True)
class Url:
    """A URL that was checked.  host: in lower case; target: path and query as a request line has them."""

    scheme: str
    host: str
    port: int
    path: str
    query: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"

    @property
    def authority(self) -> str:
        """The host, with the port where it is not the scheme's own."""
        return self.host if self.port == PORTS[self.scheme] else f"{self.host}:{self.port}"

    @property
    def target(self) -> str:
        """The path and the query."""
        return self.path + self.query

    def joined(self, location: str) -> Url:
        """The URL of a redirect from here.  Raises ValueError as `parse_url` does."""
        return parse_url(urljoin(str(self), location.partition("#")[0]))


@lru_cache(maxsize=KEPT_URLS)
def parse_url(text: str) -> Url:
    """The URL in a text.  Raises ValueError with the reason, which does not repeat the text."""
    found = URL.fullmatch(text)
    if found is None:
        raise ValueError(f"it is no plain URL: a host in ASCII, perhaps a port, no user, no fragment; {EXAMPLE}")
    scheme, host = found["scheme"].lower(), found["host"].lower()
    port = int(found["port"] or PORTS[scheme])
    if not 1 <= port <= 65_535 or len(host) > LONGEST_HOST or ".." in host:  # noqa: PLR2004  ports have 16 bits
        raise ValueError(f"its host or port is impossible; {EXAMPLE}")
    if NUMERIC.search(host) and not _is_plain_address(host):
        raise ValueError(f"its host is an address in an unusual spelling; write four decimal numbers; {EXAMPLE}")
    path, query = quote(found["path"] or "/", safe=SAFE), quote(found["query"] or "", safe=f"{SAFE}?[]")
    if _leads_upwards(path):
        raise ValueError("its path has parts that are . or .., perhaps encoded; write the path without them")
    url = Url(scheme, host, port, path, query)
    if len(str(url)) > LONGEST_URL:
        raise ValueError(f"it has {len(str(url))} characters and may have {LONGEST_URL}")
    return url


def _is_plain_address(host: str) -> bool:
    """True for the one spelling of an IPv4 address that all readers understand alike: 010.0.0.1 is not."""
    try:
        return str(IPv4Address(host)) == host
    except ValueError:
        return False


def _leads_upwards(path: str) -> bool:
    """True if a server could read another folder in the path, however often it decodes the path."""
    for _ in range(MOST_ENCODED):
        if any(part.partition(";")[0] in (".", "..") for part in re.split(r"[/\\]", path)):
            return True
        decoded = unquote(path)
        if decoded == path:
            return False
        path = decoded
    return True
