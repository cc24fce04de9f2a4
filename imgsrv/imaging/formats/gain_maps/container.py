"""A JPEG with a gain map taken apart, and put together again."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from imgsrv.imaging.formats.gain_maps import index, iso_terms, xmp_terms
from imgsrv.imaging.formats.jpeg_parts.scans import START
from imgsrv.imaging.model.gain_map import GainTerms, StoredGainMap
from imgsrv.imaging.model.limits import Data

MARKER = b"\xff"

APPLICATION_1, APPLICATION_2 = 0xE1, 0xE2

APPLICATIONS, COMMENT = range(0xE0, 0xF0), 0xFE
"""Second bytes of markers in front of which nothing of the picture stands."""

MOST_SEGMENTS = 1000
"""More segments in front of a picture are not looked at; a profile of 16 MB has 255."""

MOST_SEGMENT_BYTES = 65_533


class Segment(NamedTuple):
    """A segment.  start: of its content in the file, behind its length."""

    kind: int
    start: int
    content: bytes


def _segments(data: Data, start: int = 0) -> Iterator[Segment]:
    """The segments of applications in front of the tables and the frame of a JPEG."""
    at = start + len(START)
    for _ in range(MOST_SEGMENTS):
        head = bytes(data[at : at + 4])
        if len(head) < 4 or head[0] != 0xFF or not (head[1] in APPLICATIONS or head[1] == COMMENT):  # noqa: PLR2004
            return
        length = int.from_bytes(head[2:], "big")
        yield Segment(head[1], at + 4, bytes(data[at + 4 : at + 2 + length]))
        at += 2 + length


def read_gain_map(data: Data) -> StoredGainMap | None:
    """The gain map of a JPEG; None where it has none.

    It is a picture of the index whose own segments say what its levels mean.  Raises SyntaxError for metadata that is
    not valid.
    """
    for place in _further_pictures(data):
        picture = bytes(data[place.start : place.start + place.length])
        if len(picture) < place.length or not picture.startswith(START + MARKER):
            continue
        if terms := _terms(picture):
            return StoredGainMap(picture, _checked(terms))
    return None


def _further_pictures(data: Data) -> Iterator[index.Place]:
    """The places of the pictures behind the first one, from the beginning of the file."""
    for segment in _segments(data):
        if segment.kind == APPLICATION_2 and segment.content.startswith(index.SIGNATURE):
            base = segment.start + len(index.SIGNATURE)
            for place in index.read_index(segment.content[len(index.SIGNATURE) :]):
                yield index.Place(base + place.start, place.length)
            return


def _terms(picture: bytes) -> GainTerms | None:
    """The meaning of the levels by ISO 21496-1, else by XMP; None for a picture that is no gain map."""
    found = None
    for segment in _segments(picture):
        if segment.kind == APPLICATION_2 and segment.content.startswith(iso_terms.SIGNATURE):
            return iso_terms.read_iso_terms(segment.content[len(iso_terms.SIGNATURE) :])
        if segment.kind == APPLICATION_1 and segment.content.startswith(xmp_terms.SIGNATURE) and found is None:
            found = xmp_terms.read_xmp_terms(segment.content[len(xmp_terms.SIGNATURE) :])
    return found


def _checked(terms: GainTerms) -> GainTerms:
    """The terms.  Raises SyntaxError for such as give no gain."""
    if min(terms.gamma) <= 0:
        raise SyntaxError("its gamma is not above 0")
    if any(low > high for low, high in zip(terms.low, terms.high, strict=True)):
        raise SyntaxError("its largest gain is below its smallest")
    if terms.base_headroom == terms.other_headroom:
        raise SyntaxError("both of its pictures are for the same display")
    return terms


# ---- writing ------------------------------------------------------------------------------------------


def _segment(kind: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, kind, len(content) + 2) + content


def with_terms(picture: bytes, terms: GainTerms) -> bytes:
    """The JPEG of a gain map with the meaning of its levels, as XMP and as ISO 21496-1."""
    own = _segment(APPLICATION_1, xmp_terms.SIGNATURE + xmp_terms.written_xmp_terms(terms))
    own += _segment(APPLICATION_2, iso_terms.SIGNATURE + iso_terms.written_iso_terms(terms))
    at = _behind_applications(picture)
    return picture[:at] + own + picture[at:]


def with_gain_map(picture: bytes, gain_map: bytes, packet: bytes) -> bytes:
    """An Ultra HDR file of a JPEG without XMP and of the JPEG of its gain map.

    packet: further XMP; it is left out where both do not fit into a segment.
    """
    most = MOST_SEGMENT_BYTES - len(xmp_terms.SIGNATURE)
    directory = xmp_terms.written_directory(len(gain_map), packet)
    if len(directory) > most:
        directory = xmp_terms.written_directory(len(gain_map), b"")
    at = _behind_applications(picture)
    before = picture[:at] + _segment(APPLICATION_1, xmp_terms.SIGNATURE + directory)
    before += _segment(APPLICATION_2, iso_terms.SIGNATURE + iso_terms.VERSION)
    base = len(before) + len(_segment(APPLICATION_2, index.SIGNATURE))
    end = base + index.INDEX_BYTES + len(picture) - at
    pictures = index.written_index(end, index.Place(end - base, len(gain_map)))
    return before + _segment(APPLICATION_2, index.SIGNATURE + pictures) + picture[at:] + gain_map


def _behind_applications(picture: bytes) -> int:
    """Where the last segment of an application ends in a JPEG that was just written."""
    ends = [segment.start + len(segment.content) for segment in _segments(picture)]
    return ends[-1] if ends else len(START)
