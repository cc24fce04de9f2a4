"""A server to load, by its URL: where it listens, and what it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from imgsrv.errors import BadArgument

HTTP_PORT = 80


@dataclass(frozen=True)
class Target:
    """An address, what the Host header says, and a path with its query."""

    host: str
    port: int
    authority: str
    path: str

    @property
    def url(self) -> str:
        """As a person writes it."""
        return f"http://{self.authority}{self.path}"


def parse_target(url: str, path: str) -> Target:
    """The target behind a URL.  path: what is asked for where the URL itself says nothing.

    Raises BadArgument for what is no address that this load can speak to.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or HTTP_PORT
    except ValueError as error:
        raise BadArgument(f"{url} is no URL: {error}") from error
    if parts.scheme == "https":
        raise BadArgument(f"{url}: this load speaks no TLS; give the http address behind what ends it")
    if parts.scheme != "http" or not parts.hostname:
        raise BadArgument(f"{url} is not written as http://HOST:PORT or http://HOST:PORT/PATH")
    own = parts.path.rstrip("/") and f"{parts.path}{f'?{parts.query}' if parts.query else ''}"
    return Target(parts.hostname, port, parts.netloc, own or path)
