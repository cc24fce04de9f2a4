"""Which requests are plain, and what they ask for.  The answer follows from the target, and is remembered by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

from imgsrv.errors import ImgsrvError
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.imaging.pipelines.pipeline import Pipeline
from imgsrv.web.cache.key import asked_text
from imgsrv.web.http.host import Message
from imgsrv.web.query import KEPT_QUERIES, parse_operation, parse_operations
from imgsrv.web.sources.naming import Source, Sources, split_sources
from imgsrv.web.sources.taking import BODYLESS
from imgsrv.web.state import state_in
from imgsrv.web.upload import CURL_TYPE

READERS: dict[str, Callable[[str], tuple[Pipeline, Output]]] = {
    "/pipeline": parse_operations,
    **{f"/{name}": partial(parse_operation, name) for name in OPERATIONS},
}
"""What reads the query, by path."""

FORMS = (b"multipart/", CURL_TYPE.encode())
"""Beginnings of types of a body that is not simply the picture."""

KEPT_SOURCES = 1024
"""Queries with a source that are remembered: a site has many pictures."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a plain request asks for.  query: as text."""

    pipeline: Pipeline
    output: Output
    query: str


@dataclass(frozen=True, slots=True)
class SourceWish(Wish):
    """The same for a picture that the query names.  asked: what is done with it, as the keys of results have it."""

    source: Source
    asked: str

    @property
    def sources(self) -> Sources:
        """The source as that of a request."""
        return Sources(self.source)


def wish_in(scope: Message) -> Wish | None:
    """What a plain request asks for; None for one that is not plain."""
    if scope["path"] not in READERS:
        return None
    expected = state_in(scope).body.expected
    if scope["method"] == "POST":
        is_plain = expected != 0 and _has_plain_body(scope)
        return _body_wish(scope["path"], scope["query_string"]) if is_plain else None
    # A client that has the picture gets its 304 from the app, before anything is read.
    if (
        scope["method"] not in BODYLESS
        or expected != 0
        or any(name == b"if-none-match" for name, _ in scope["headers"])
    ):
        return None
    return _source_wish(scope["path"], scope["query_string"])


def _has_plain_body(scope: Message) -> bool:
    types = []
    for name, value in scope["headers"]:
        if name == b"content-encoding":
            return False  # the app says that no coding is taken
        if name == b"content-type":
            types.append(value.lower())
    return len(types) < 2 and not (types and types[0].startswith(FORMS))  # noqa: PLR2004  which of two counts, the app says


@lru_cache(maxsize=KEPT_QUERIES)
def _body_wish(path: str, query: bytes) -> Wish | None:
    """The wish of a query without a source."""
    sources, wish = _read(path, query)
    return None if sources else wish


@lru_cache(maxsize=KEPT_SOURCES)
def _source_wish(path: str, query: bytes) -> SourceWish | None:
    """The wish of a query that names its picture, and no further sources."""
    sources, wish = _read(path, query)
    if wish is None or sources.picture is None or sources.parts:
        return None
    return SourceWish(wish.pipeline, wish.output, wish.query, sources.picture, asked_text(wish.pipeline, wish.output))


def _read(path: str, query: bytes) -> tuple[Sources, Wish | None]:
    """The sources that a query names and the wish in the rest; None if that needs further parts, or cannot be read.

    `format=auto` is not plain either: its answer follows from the Accept header.
    """
    try:
        text = query.decode()
        sources, rest = split_sources(text)
        pipeline, output = READERS[path](rest)
    except (ImgsrvError, UnicodeDecodeError):
        return Sources(), None  # the app says why
    has_parts = any(step.part is not None for step in pipeline.steps)
    return sources, None if has_parts or output.format == "auto" else Wish(pipeline, output, text)
