"""The versions of remote sources: what a server has said of a picture, kept for as long as the server allows it.

While a version is fresh, its server is not asked.  Afterwards it is asked whether the version still holds.  A version
is an entry of the store, so that every worker and every machine knows it.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from imgsrv.settings import Settings
from imgsrv.web.cache.entry import Entry
from imgsrv.web.cache.store import GuardedStore
from imgsrv.web.cache.validity import Validity, validity_of
from imgsrv.web.sources.naming import Source
from imgsrv.web.sources.opened import Validators

REMOTE = frozenset(("http", "https", "s3", "gs", "az"))
"""Kinds of places that are asked over the network."""

MEDIA_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class Version:
    """The known version of a source.

    identity: of its bytes, for the key of results.  checked_at: when its server has said so, Unix time.
    """

    validators: Validators
    identity: str
    checked_at: float

    @property
    def validity(self) -> Validity:
        """How long its server lets it be kept."""
        return validity_of(self.validators.cache_control, self.validators.age_s)

    def age_s(self, now: float) -> float:
        """The age of an answer that follows from it.  now: Unix time."""
        return self.validity.age_s + max(0.0, now - self.checked_at)


class Versions:
    """The kept versions.  store: None where nothing is kept.  clock: Unix time."""

    def __init__(self, store: GuardedStore | None, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._store, self._settings, self._clock = store, settings, clock

    async def find(self, source: Source) -> Version | None:
        """The version that was kept last; None for a place that is asked each time."""
        if self._store is None or source.scheme not in REMOTE:
            return None
        entry = await self._store.get(_key(source))
        return None if entry is None or entry.media_type != MEDIA_TYPE else _read(entry.body)

    def is_fresh(self, version: Version) -> bool:
        """True if its server need not be asked."""
        now, settings = self._clock(), self._settings
        life_s = version.validity.life_s(settings.cache_ttl_s, settings.cache_max_ttl_s)
        return now >= version.checked_at and version.age_s(now) < life_s

    async def keep(self, source: Source, validators: Validators, identity: str) -> None:
        """Keep what the server has said just now."""
        if self._store is None or source.scheme not in REMOTE or not validity_of(validators.cache_control).may_keep:
            return
        wire = {"validators": asdict(validators), "identity": identity, "checked_at": self._clock()}
        entry = Entry(MEDIA_TYPE, 0, 0, is_broken=False, made_at=self._clock(), body=json.dumps(wire).encode())
        await self._store.put(_key(source), entry)


def _key(source: Source) -> bytes:
    return hashlib.sha256(b"version\0" + source.text.encode(errors="surrogateescape")).digest()


def _read(body: bytes) -> Version | None:
    """The version of an entry; None for another form, of an older or a newer imgsrv."""
    try:
        wire = json.loads(body)
        validators = Validators(**wire["validators"])
        return Version(validators, str(wire["identity"]), float(wire["checked_at"]))
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
