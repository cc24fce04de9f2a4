"""Lists of the places that sources may come from, as the operator writes them: prefixes of URLs, and buckets.

A prefix is `https://images.example.com/`, with a path `https://example.com/photos/`, with a port
`http://example.com:8080/`, for every name below another `https://*.example.com/`, or `https://` for every host on the
scheme's own port.  A bucket is `s3://bucket`, or `s3://bucket/folder/` for what is below a folder.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec

from imgsrv.installed import install_command
from imgsrv.settings_checks import split

PORTS = {"http": 80, "https": 443}
"""The own port of each scheme."""

STORES = ("s3", "gs", "az")

PREFIX = re.compile(
    r"(?P<scheme>https?)://(?:(?P<any>\*\.)?(?P<host>[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>/[^?#\s]*)?)?",
    re.ASCII | re.IGNORECASE,
)

BUCKET = re.compile(
    r"(?P<scheme>s3|gs|az)://(?P<bucket>[A-Za-z0-9][A-Za-z0-9._-]{1,254})(?P<path>/[^?#\s]*)?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Prefix:
    """The beginning of URLs that are allowed.

    host: empty for every host.  has_subdomains: the names below the host are meant, and not the host itself.
    path: without the slash at its end; it ends where a segment of the URL's path ends.
    """

    scheme: str
    host: str
    port: int
    path: str
    has_subdomains: bool

    def matches(self, scheme: str, host: str, port: int, path: str) -> bool:
        """True for a URL in lower case that begins so."""
        is_host = host.endswith(f".{self.host}") if self.has_subdomains else self.host in ("", host)
        return (self.scheme, self.port) == (scheme, port) and is_host and _is_below(path, self.path)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket, or a folder in one, that is allowed."""

    scheme: str
    name: str
    path: str

    def matches(self, scheme: str, name: str, path: str) -> bool:
        """True for an object in it.  path: of the object, with a slash before it."""
        return (self.scheme, self.name) == (scheme, name) and _is_below(path, self.path)


def parse_prefixes(text: str) -> tuple[Prefix, ...]:
    """The prefixes in a list that is separated by commas.  Raises ValueError with the reason."""
    return tuple(map(_prefix, split(text)))


def parse_buckets(text: str) -> tuple[Bucket, ...]:
    """The buckets in a list that is separated by commas.  Raises ValueError with the reason."""
    return tuple(map(_bucket, split(text)))


def url_prefixes(text: str) -> str:
    """Accept a list of prefixes, or an empty text."""
    parse_prefixes(text)
    return text


def buckets(text: str) -> str:
    """Accept a list of buckets if the extra `s3` is installed, or an empty text."""
    if parse_buckets(text) and find_spec("obstore") is None:
        raise ValueError(f"buckets need the extra `s3`: {install_command('s3')}")
    return text


def _prefix(text: str) -> Prefix:
    found = PREFIX.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{text} is no beginning of a URL; write it like https://images.example.com/photos/, "
            "https://*.example.com/, or https:// for every host"
        )
    scheme, host = found["scheme"].lower(), (found["host"] or "").lower()
    port = int(found["port"] or PORTS[scheme])
    if not 1 <= port <= 65_535:  # noqa: PLR2004  ports have 16 bits
        raise ValueError(f"{text} has the port {port}; ports are 1 to 65535")
    return Prefix(scheme, host, port, (found["path"] or "").rstrip("/"), bool(found["any"]))


def _bucket(text: str) -> Bucket:
    found = BUCKET.fullmatch(text)
    if found is None:
        raise ValueError(f"{text} is no bucket; write it like s3://bucket or s3://bucket/folder/, with s3, gs or az")
    return Bucket(found["scheme"], found["bucket"], (found["path"] or "").rstrip("/"))


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
