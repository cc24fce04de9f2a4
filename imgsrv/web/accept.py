"""`format=auto`: the formats that the Accept header offers.  The engine, which knows the picture, chooses one."""

from __future__ import annotations

from falcon.util import mediatypes

from imgsrv.imaging.codecs.auto_format import EVERYWHERE, Offers
from imgsrv.imaging.formats import WRITTEN

LONGEST_ACCEPT = 4096
"""Characters of a header that is read; browsers send 150.  The parser takes quadratic time for quotation marks."""


def offers(accept: str, own: str, preferred: tuple[str, ...]) -> Offers:
    """The formats that the answer may have, best first, and the q of each.

    own: the input's format.  preferred: the formats that the server may choose, best first; the client must name
    them, because a bare `*/*` does not say what it can show.  That stands for EVERYWHERE, and for the input's own
    format if browsers show it.
    """
    accept = accept.lower()
    found = {name: _named_quality(accept, WRITTEN[name].media_type) for name in preferred if name in WRITTEN}
    for name in (own, *(name for name, _q in EVERYWHERE)):
        if name in WRITTEN and not found.get(name):
            named, in_all = quality_of(accept, WRITTEN[name].media_type)
            found[name] = in_all if WRITTEN[name].browsers_show else named
    return tuple((name, quality) for name, quality in found.items() if quality > 0)


def prefers(accept: str, wanted: str, usual: str) -> bool:
    """True if the header names the media type `wanted` with a higher q than the usual one."""
    accept = accept.lower()
    return _named_quality(accept, wanted) > _named_quality(accept, usual)


def quality_of(accept: str, media_type: str) -> tuple[float, float]:
    """The q of a media type: that of its own name in the header, and that which the whole header gives it."""
    accept = accept.lower()
    return _named_quality(accept, media_type), _quality(media_type, accept)


def takes_gzip(accept_encoding: str) -> bool:
    """True if the client can decompress gzip: the header names it, or `*`, and not with a q of 0."""
    found: dict[str, float] = {}
    if len(accept_encoding) <= LONGEST_ACCEPT:
        for each in accept_encoding.lower().split(","):
            name, _, weight = each.partition(";")
            found[name.strip()] = _weight(weight)
    return found.get("gzip", found.get("*", 0.0)) > 0


def _weight(parameter: str) -> float:
    """The number of `q=…`; 1 without it, 0 for what is no number."""
    name, _, value = parameter.strip().partition("=")
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0


def _named_quality(accept: str, media_type: str) -> float:
    """The q of a media type that the header names in full; 0 if it does not."""
    return _quality(media_type, accept) if media_type in accept else 0.0


def _quality(media_type: str, accept: str) -> float:
    if len(accept) > LONGEST_ACCEPT:
        return 0.0
    try:
        return float(mediatypes.quality(media_type, accept))
    except ValueError:
        # A header that cannot be parsed asks for nothing.
        return 0.0
