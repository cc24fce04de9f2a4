"""The ids of uploads, and the names under which stores know them.

An id is 24 random characters and 8 that follow from its owner.  A store knows an upload by its owner's characters and
by the digest of its id, so that nobody learns an id from the store.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass

from imgsrv.errors import SourceNotFound
from imgsrv.web.sources.naming import Source
from imgsrv.web.sources.opened import Asker

RANDOM_BYTES = 18
"""Of an id: 144 bits, in 24 characters."""

ID = re.compile(r"[A-Za-z0-9_-]{24}(?P<tag>[0-9a-f]{8})", re.ASCII)


@dataclass(frozen=True, slots=True)
class UploadName:
    """An upload as a store knows it.  owner: 8 digits, digest: 40 digits, both hexadecimal."""

    owner: str
    digest: str


def new_id(asker: Asker) -> str:
    """A new id of an upload of this client."""
    return secrets.token_urlsafe(RANDOM_BYTES) + _tag(asker.owner)


def name_of(source: Source, asker: Asker) -> UploadName:
    """The name of the upload of that id.  Raises SourceNotFound for what is no id, or that of another owner."""
    found = ID.fullmatch(source.rest)
    if found is None or not (asker.is_trusted or found["tag"] == _tag(asker.owner)):
        raise SourceNotFound(str(source))
    return UploadName(found["tag"], hashlib.sha256(source.rest.encode()).hexdigest()[:40])


def _tag(owner: str) -> str:
    return hashlib.sha256(owner.encode()).hexdigest()[:8]
