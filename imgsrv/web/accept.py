"""`format=auto`: which formats the client's Accept header offers; the engine chooses, which knows the picture."""

from __future__ import annotations

from falcon.util import mediatypes

from imgsrv.imaging.codecs.auto_format import Offers
from imgsrv.imaging.formats import WRITTEN

EVERYWHERE = tuple(name for name, form in WRITTEN.items() if form.is_shown_everywhere)
"""Formats that are shown everywhere, so that a bare `*/*` may mean them."""


def offers(accept: str, own: str, preferred: tuple[str, ...]) -> Offers:
    """The formats that may be answered with, best first, and the q of each.

    own: the input's format.  preferred: what the server may choose, best first; each needs to be named by the client,
    for a bare `*/*` says nothing about what it can show.
    """
    accept = accept.lower()
    found = {name: _named_quality(accept, WRITTEN[name].media_type) for name in preferred if name in WRITTEN}
    for name in (own, *EVERYWHERE):
        if name in WRITTEN and not found.get(name):
            found[name] = _quality(WRITTEN[name].media_type, accept)
    return tuple((name, quality) for name, quality in found.items() if quality > 0)


def prefers(accept: str, wanted: str, usual: str) -> bool:
    """Whether the header names the media type `wanted`, and rather than the usual one."""
    accept = accept.lower()
    return _named_quality(accept, wanted) > _named_quality(accept, usual)


def _named_quality(accept: str, media_type: str) -> float:
    """The q of a media type that the header names in full, 0 where it does not."""
    return _quality(media_type, accept) if media_type in accept else 0.0


def _quality(media_type: str, accept: str) -> float:
    try:
        return float(mediatypes.quality(media_type, accept))
    except ValueError:
        # A header that cannot be read asks for nothing.
        return 0.0
