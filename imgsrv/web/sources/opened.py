"""A source that was asked for: what is known of it before it is read, and the reading."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from imgsrv.web.http.body import Body

PLAIN = re.compile(r"[\x20-\x7e]{1,512}")
"""The value of a header that is handed on."""


@dataclass(frozen=True, slots=True)
class Validators:
    """What a place says of a picture.

    identity: differs for each version of each picture, and never comes again with other bytes; None where the place
    gives no such text, so that the result must not be kept.
    etag, last_modified, cache_control, media_type: as the place gave them; None where it gave none.
    age_s: how old its answer was, from a cache before it.
    """

    identity: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    cache_control: str | None = None
    media_type: str | None = None
    age_s: int = 0


def plain_header(value: str | None) -> str | None:
    """The value of a header of another server, if it is one that can be handed on."""
    return value if value and PLAIN.fullmatch(value) else None


def control_header(value: str | None) -> str | None:
    """A Cache-Control of another server.  One that is not handed on counts as the strictest: it may say `private`."""
    return (plain_header(value.replace("\t", " ")) or "no-store") if value else None


@dataclass(frozen=True, slots=True)
class Asker:
    """The client of a request, as far as places must know it.

    owner: the name of its API key; empty without one.  is_trusted: its URL was signed, by one who knows what it names.
    """

    owner: str = ""
    is_trusted: bool = False


class Opened(Protocol):
    """One source of one request.  It is read at most once, and always closed.

    is_unchanged: the place has answered that the caller's known validators still hold; then nothing can be read.
    """

    validators: Validators
    is_unchanged: bool

    async def read_into(self, body: Body, limit: int) -> int:
        """Append the picture to the body's file; gives its size in bytes.

        limit: bytes that the body's file may have.  Renews `validators` if the reading has told more.
        Raises the errors of sources, OutOfResources and OutOfMemoryBudget.
        """
        ...

    async def close(self) -> None:
        """Let go of the file or the connection."""
        ...
