"""`format=auto`: which format the client's Accept header asks for."""

from __future__ import annotations

from falcon.util import mediatypes

from imgsrv.imaging.formats import FORMATS


def negotiate(accept: str, own: str, preferred: tuple[str, ...]) -> str:
    """The format to answer with: a key of FORMATS.

    own: the input's format, or what stands in for it.  preferred: what the server may choose instead, best first.
    A preferred format needs to be named by the client: a bare `*/*` says nothing about what it can show.  Among
    the ones it names, the highest q wins, then the server's order; without any it is the input's own.
    """
    accept = accept.lower()
    named = {name: _named_quality(accept, FORMATS[name].media_type) for name in preferred}
    best = max(named, key=lambda name: named[name], default=own)
    own_quality = _quality(FORMATS[own].media_type, accept)
    return best if named.get(best, 0.0) > 0 and named[best] >= own_quality else own


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
