"""The places that sources come from, as the operator has allowed them, for one worker."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, Self

from imgsrv.allowed_places import STORES
from imgsrv.environment import flag_name
from imgsrv.observe.scoreboard import Row
from imgsrv.settings import Settings
from imgsrv.web.http.body import Body
from imgsrv.web.multipart import FILE_PART
from imgsrv.web.sources.buckets import Buckets
from imgsrv.web.sources.files import Folder
from imgsrv.web.sources.naming import Source, Sources
from imgsrv.web.sources.opened import Asker, Opened, Validators
from imgsrv.web.sources.remote import Remote
from imgsrv.web.sources.uploads.setup import make_uploads

NONE_KNOWN: Mapping[str, Validators] = {}


KINDS = {"file": "file", "http": "http", "https": "http", "upload": "upload"}
"""Of SOURCES of the scoreboard, by the scheme."""

FETCHED_KINDS = ("http", "bucket")
"""Kinds of places that are always asked over the network."""


def kind_of(source: Source) -> str:
    """The kind of place, for the metrics."""
    return KINDS.get(source.scheme, "bucket")


def joint_identity(identities: Mapping[str, str]) -> str:
    """A digest of the identities of all sources of a request, by their parts.

    Two requests with one identity work on the same bytes.
    """
    return hashlib.sha256(repr(sorted(identities.items())).encode()).hexdigest()


class Origin(Protocol):
    """One kind of place."""

    async def open(self, source: Source, known: Validators | None, asker: Asker) -> Opened:
        """Ask for the source; what is known of it comes, and no more of its bytes than must.

        known: validators that a caller has kept; the answer may be that they still hold.  asker: who asks.
        Raises the errors of sources.
        """
        ...


@dataclass
class OpenedSources:
    """The sources of one request, as an asynchronous context that closes them.

    by_part: the picture, if it is not the body, as the part `file`; and the further parts.
    """

    names: Sources
    by_part: dict[str, Opened] = field(default_factory=dict)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def picture(self) -> Opened | None:
        """The opened picture; None if the body is the picture."""
        return self.by_part.get(FILE_PART)

    @property
    def validators(self) -> Validators | None:
        """Of the picture; None if the body is the picture."""
        return self.picture.validators if self.picture is not None else None

    @property
    def identity(self) -> str | None:
        """The identity of all sources; None if a place gives none, or if the body is the picture."""
        if self.picture is None:
            return None
        found = {part: opened.validators.identity for part, opened in self.by_part.items()}
        known = {part: identity for part, identity in found.items() if identity is not None}
        return joint_identity(known) if len(known) == len(found) else None

    def named(self, part: str) -> Source:
        """The source of a part."""
        picture = self.names.picture
        return picture if part == FILE_PART and picture is not None else self.names.parts[part]

    def add(self, part: str, opened: Opened) -> None:
        """Add an opened source, which is closed with the others."""
        self.by_part[part] = opened
        self._stack.push_async_callback(opened.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._stack.aclose()


class Origins:
    """All kinds of places."""

    def __init__(self, settings: Settings, row: Row) -> None:
        self._row = row
        remote, self.uploads = Remote(settings), make_uploads(settings, row)
        self._origins: dict[str, Origin] = {
            "file": Folder(settings.source_dir, flag_name("source_dir")),
            "http": remote,
            "https": remote,
            "upload": self.uploads,
            **dict.fromkeys(STORES, Buckets(settings)),
        }

    async def open(self, sources: Sources, asker: Asker, known: Mapping[str, Validators] = NONE_KNOWN) -> OpenedSources:
        """Ask for every source.  known: kept validators, by the source's whole text.  Raises the errors of sources."""
        found = OpenedSources(sources)
        named = dict(sources.parts) if sources.picture is None else {FILE_PART: sources.picture, **sources.parts}
        try:
            for part, source in named.items():
                self._row.add(f"source_{kind_of(source)}_asked")
                with self.counting(source):
                    found.add(part, await self._origins[source.scheme].open(source, known.get(source.text), asker))
        except BaseException:
            await found.__aexit__()
            raise
        return found

    def take_now(self, source: Source, body: Body, limit: int) -> Validators | None:
        """Read a source that is here without waiting into the body's file; gives what its place says of it.

        None if it has to be opened and read in the usual way, which also tells what is wrong with it: then nothing is
        counted, and the body is as before.  limit: bytes that the body's file may have.
        """
        origin, before, began = self._origins[source.scheme], body.received, time.monotonic()
        if not isinstance(origin, Folder) or (validators := origin.take_now(source, body, limit)) is None:
            return None
        kind = kind_of(source)
        self._row.add(f"source_{kind}_asked")
        self._row.add(f"source_{kind}_us", round((time.monotonic() - began) * 1e6))
        self.count_read(source, body.received - before)
        return validators

    @contextmanager
    def counting(self, source: Source) -> Iterator[None]:
        """Count the time of the block, and its failure."""
        began, kind = time.monotonic(), kind_of(source)
        try:
            yield
        except BaseException:
            self._row.add(f"source_{kind}_failed")
            raise
        finally:
            self._row.add(f"source_{kind}_us", round((time.monotonic() - began) * 1e6))

    def count_read(self, source: Source, size: int) -> None:
        """Count bytes that were read."""
        self._row.add(f"source_{kind_of(source)}_bytes", size)

    def check(self, source: Source) -> None:
        """Raise the error of a source that may not be named, without asking its place."""
        origin = self._origins[source.scheme]
        if isinstance(origin, Remote | Buckets):
            origin.check(source)

    def watch(self, source: Source, identity: str) -> Callable[[], bool] | None:
        """A function that tells at once whether the source is still of this identity; None for a remote one."""
        origin = self._origins[source.scheme]
        return partial(origin.is_current, source, identity) if isinstance(origin, Folder) else None

    def is_fetched(self, source: Source) -> bool:
        """True if the source is asked for over the network."""
        return kind_of(source) in FETCHED_KINDS or (source.scheme == "upload" and self.uploads.is_shared)

    async def close(self) -> None:
        """End what goes on between requests."""
        await self.uploads.close()
