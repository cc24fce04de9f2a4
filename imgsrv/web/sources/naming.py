"""What `source=` says: a kind of place and a name in it.  Nothing is opened here, and nothing is allowed here.

`source=file:photos/cat.jpg` is the picture.  `source.logo=file:logo.png` is the part `logo` of the upload, which an
operation such as `watermark:part=logo` uses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import quote, unquote_plus

from imgsrv.errors import BadSource, RepeatedParameter
from imgsrv.web.multipart import FILE_PART

PARAMETER = "source"

LONGEST_SOURCE = 4096
"""Characters of one source; a path of the file system may have as many bytes."""

MOST_PARTS = 8
"""Sources of one request beside its picture."""

SCHEMES = ("file", "http", "https", "s3", "gs", "az", "upload")

USER = re.compile(r"^//[^/]*@")
"""The part of a URL that may contain a password."""

UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

NAMED = re.compile(r"(?:^|&)source(?:\.([A-Za-z0-9_-]{1,64}))?=([^&]*)")
"""A parameter with a source in the text of a query: the part's name, and the source, both still encoded."""


@dataclass(frozen=True, slots=True)
class Source:
    """A place that a client has named.  rest: what follows the scheme and its colon."""

    scheme: str
    rest: str

    def __str__(self) -> str:
        """The source as errors and logs show it: a URL without its user and without its query, which may be signed."""
        if self.scheme not in ("http", "https"):
            return self.text
        rest, question, _query = self.rest.partition("?")
        return f"{self.scheme}:{USER.sub('//…@', rest)}{'?…' if question else ''}"

    @property
    def text(self) -> str:
        """The whole source; it may contain a secret."""
        return f"{self.scheme}:{self.rest}"


@dataclass(frozen=True, slots=True)
class Sources:
    """The sources of one request.

    picture: None where the body is the picture.  parts: further parts, by their names.
    """

    picture: Source | None = None
    parts: Mapping[str, Source] = field(default_factory=lambda: MappingProxyType({}))

    def __bool__(self) -> bool:
        return self.picture is not None or bool(self.parts)


NO_SOURCES = Sources()


def split_sources(query: str) -> tuple[Sources, str]:
    """The sources that a query names, and the query without them.  Raises BadSource and RepeatedParameter."""
    if PARAMETER not in query:
        return NO_SOURCES, query
    found: dict[str, Source] = {}
    for match in NAMED.finditer(query):
        part = match[1] or FILE_PART
        if part in found:
            raise RepeatedParameter("the request", f"{PARAMETER}.{part}" if match[1] else PARAMETER)
        found[part] = parse_source(unquote_plus(match[2], errors="surrogateescape"))
        if len(found) > MOST_PARTS + 1:
            raise BadSource(PARAMETER, f"a request may name {MOST_PARTS} sources beside its picture")
    return Sources(found.pop(FILE_PART, None), found), NAMED.sub("", query).removeprefix("&")


def masked(query: str) -> str:
    """The query for a log: its sources as they are shown, and the rest as it came."""
    return NAMED.sub(_masked, query) if PARAMETER in query else query


def _masked(match: re.Match[str]) -> str:
    name = match[0][: match.start(2) - match.start()]
    try:
        shown = str(parse_source(unquote_plus(match[2], errors="surrogateescape")))
    except BadSource:
        shown = "…"
    return name + quote(shown, safe="/:?@")


def parse_source(text: str) -> Source:
    """The source in a text.  Raises BadSource."""
    if len(text) > LONGEST_SOURCE:
        raise BadSource(f"{text[:64]}…", f"it has {len(text)} characters and may have {LONGEST_SOURCE}")
    scheme, colon, rest = text.partition(":")
    scheme = scheme.lower()
    if not colon or scheme not in SCHEMES:
        raise BadSource(text.partition("?")[0][:64], "it does not begin with a known kind of place")
    if UNPRINTABLE.search(rest):
        raise BadSource(f"{scheme}:…", "it contains a control character, or bytes that are not UTF-8")
    if not rest:
        raise BadSource(text, "it names nothing")
    return Source(scheme, rest)
