"""The server under load, from its URL: its address, and the path of the requests."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from imgsrv.errors import BadArgument

HTTP_PORT = 80


@dataclass(frozen=True)
class Target:
    """An address, the value of the Host header, and a path with its query."""

    host: str
    port: int
    authority: str
    path: str

    @property
    def url(self) -> str:
        """The URL of the requests."""
        return f"http://{self.authority}{self.path}"


def parse_target(url: str, path: str) -> Target:
    """Return the target of a URL.  path: used if the URL has none.

    Raises BadArgument for a URL that is broken, or that is not http.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or HTTP_PORT
    except ValueError as error:
        raise BadArgument(f"{url} is not a URL: {error}") from error
    if parts.scheme == "https":
        raise BadArgument(f"{url}: TLS is not supported; give the http address behind the TLS proxy")
    if parts.scheme != "http" or not parts.hostname:
        raise BadArgument(f"{url} must be http://HOST:PORT or http://HOST:PORT/PATH")
    own = parts.path.rstrip("/") and f"{parts.path}{f'?{parts.query}' if parts.query else ''}"
    return Target(parts.hostname, port, parts.netloc, own or path)
