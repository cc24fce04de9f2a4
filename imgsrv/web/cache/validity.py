"""How long an answer may be used, and whether its client has it already (RFC 9110 section 13, RFC 9111 section 5.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from imgsrv.web.sources.opened import Validators

LONGEST_HEADER = 4096
"""Characters of a header that is read; a longer one counts as absent."""

DIRECTIVE = re.compile(r'\s*([!#$%&\'*+.^_`|~\w-]+)(?:=(?:"([^"]*)"|([^\s,;"]*)))?\s*(?:,|$)', re.ASCII)

ETAG = re.compile(r'\s*(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")\s*(?:,|$)')

LONGEST_S = 10 * 365 * 86_400
"""The most seconds that a directive counts for."""

NUMBER = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Validity:
    """The life that a source gives its bytes.

    fresh_s: so long its version need not be asked for again; None if it says nothing.
    may_keep: a cache of many clients may keep the bytes.  age_s: of that life, so much had passed when they came.
    """

    fresh_s: float | None = None
    may_keep: bool = True
    is_private: bool = False
    age_s: float = 0.0

    def life_s(self, usual_s: float, most_s: float) -> float:
        """The whole life, of which `age_s` has passed; a source may give at most `most_s` beside that."""
        return min(usual_s, most_s) if self.fresh_s is None else min(self.fresh_s, most_s + self.age_s)


def validity_of(cache_control: str | None, age_s: float = 0.0) -> Validity:
    """The validity in a Cache-Control header of a source; of two readings the shorter life counts.

    age_s: the Age of its answer.  It counts where the source gives a life (RFC 9111, section 4.2).
    """
    found = _validity_of(cache_control)
    return replace(found, age_s=age_s) if age_s and found.fresh_s else found


@lru_cache(maxsize=256)
def _validity_of(cache_control: str | None) -> Validity:
    found = _directives(cache_control or "")
    if "no-store" in found:
        return Validity(0.0, may_keep=False)
    if "private" in found:
        return Validity(_seconds(found.get("max-age")), may_keep=False, is_private=True)
    if "no-cache" in found:
        return Validity(0.0)
    return Validity(_seconds(found["s-maxage"] if "s-maxage" in found else found.get("max-age")))


def cache_control(validity: Validity, usual_s: float, most_s: float) -> str:
    """The Cache-Control of an answer.

    usual_s: the life of answers whose source says nothing.  most_s: the longest life that a source may give.
    """
    seconds = round(validity.life_s(usual_s, most_s))
    if not validity.may_keep:
        return f"private, max-age={seconds}" if validity.is_private else "no-store"
    return f"public, max-age={seconds}" if seconds else "no-cache"


def version_headers(
    validators: Validators | None, age_s: float | None, usual_s: float, most_s: float
) -> dict[str, str]:
    """The headers that say how long an answer holds, and since when its picture is as it is.

    validators: of the picture; None if no place has told any.  age_s: of a version that was kept; None if its place
    was asked just now.  usual_s, most_s: see `cache_control`.
    """
    validity = validity_in(validators)
    found = {
        "cache-control": cache_control(validity, usual_s, most_s),
        "age": str(round(validity.age_s if age_s is None else age_s)),
    }
    if validators is not None and validators.last_modified:
        found["last-modified"] = validators.last_modified
    return found


def validity_in(validators: Validators | None) -> Validity:
    """The validity that the place of a picture gives it."""
    return Validity() if validators is None else validity_of(validators.cache_control, validators.age_s)


def wants_no_store(request: str | None) -> bool:
    """True if a request's Cache-Control asks that its answer be kept nowhere."""
    return bool(request) and "no-store" in _directives(request or "")


def is_known(if_none_match: str | None, etag: str) -> bool:
    """True if the client has the version with this ETag, by its If-None-Match header."""
    if not if_none_match or len(if_none_match) > LONGEST_HEADER:
        return False
    if if_none_match.strip() == "*":
        return False  # it asks whether there is any version; that needs the picture
    place = 0
    while match := ETAG.match(if_none_match, place):
        if match[1] == etag:
            return True
        place = match.end()
        if place >= len(if_none_match):
            break
    return False


def _directives(header: str) -> dict[str, str]:
    """The directives of the header, in lower case, with their values; what comes behind a fault is left out."""
    found: dict[str, str] = {}
    if len(header) > LONGEST_HEADER:
        return {"no-store": ""}
    place = 0
    while place < len(header) and (match := DIRECTIVE.match(header, place)):
        name = match[1].lower()
        if name in found:
            found[name] = min(found[name], match[2] or match[3] or "0", key=lambda text: _seconds(text) or 0.0)
        else:
            found[name] = match[2] or match[3] or ""
        place = match.end()
    return found


def _seconds(text: str | None) -> float | None:
    """The seconds of a directive; 0 for what is no number, which is the safe reading."""
    if text is None:
        return None
    return float(min(int(text), LONGEST_S)) if NUMBER.fullmatch(text) else 0.0
