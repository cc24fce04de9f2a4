"""The metadata of a gain map as XMP, and the directory of an Ultra HDR file."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from xml.parsers import expat

from imgsrv.imaging.model.gain_map import CHANNELS, GainTerms

SIGNATURE = b"http://ns.adobe.com/xap/1.0/\0"
"""It stands in front of a packet in a segment of a JPEG."""

NAMESPACE = "http://ns.adobe.com/hdr-gain-map/1.0/"

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"

ITEM = f"{RDF} li"

MOST_VALUES = 64
"""Most values of a packet that are kept; a good one has up to 20."""

MOST_TEXT = 40
"""Most letters of a number."""

LARGEST, FINEST = 1000, 1 << 20
"""Bounds of a value and of its denominator, so that both fit into the fields of ISO 21496-1."""

DEFAULTS = {
    "GainMapMin": 0.0,
    "Gamma": 1.0,
    "OffsetSDR": 1 / 64,
    "OffsetHDR": 1 / 64,
    "HDRCapacityMin": 0.0,
}
"""Values of properties that may be missing (Adobe's specification, table 1)."""


class _Values:
    """One pass over a packet.  found: the texts of each property of a gain map, one for each channel."""

    def __init__(self, packet: bytes) -> None:
        """Raises SyntaxError."""
        self.found: dict[str, list[str]] = {}
        self._property, self._text = "", ""
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._add
        try:
            parser.Parse(packet.rstrip(b"\0"), True)
        except (expat.ExpatError, LookupError, ValueError) as error:
            raise SyntaxError("its XMP cannot be read") from error

    def _refuse(self, *_of_the_declaration: object) -> None:
        raise ValueError

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        for key, value in attributes.items():
            if key.startswith(NAMESPACE):
                self._keep(key, value)
        if name.startswith(NAMESPACE):
            self._property = name
        self._text = ""

    def _end(self, name: str) -> None:
        if self._property and name in (self._property, ITEM) and self._text.strip():
            self._keep(self._property, self._text)
        if name == self._property:
            self._property = ""
        self._text = ""

    def _add(self, text: str) -> None:
        self._text += text[: MOST_TEXT + 1 - len(self._text)]

    def _keep(self, key: str, value: str) -> None:
        if sum(map(len, self.found.values())) < MOST_VALUES:
            self.found.setdefault(key.removeprefix(f"{NAMESPACE} "), []).append(value.strip())


def read_xmp_terms(packet: bytes) -> GainTerms | None:
    """The metadata in a packet of XMP; None where it has none.  Raises SyntaxError for one that is not valid."""
    if NAMESPACE.encode() not in packet:
        return None
    found = _Values(packet).found
    # The base picture has the version alone.
    if "GainMapMax" not in found:
        return None
    low, high, gamma = (_of_channels(found, name) for name in ("GainMapMin", "GainMapMax", "Gamma"))
    base, other = _of_channels(found, "OffsetSDR"), _of_channels(found, "OffsetHDR")
    count = max(map(len, (low, high, gamma, base, other)))
    low, high, gamma, base, other = (
        terms if len(terms) == count else terms[:1] * count for terms in (low, high, gamma, base, other)
    )
    is_backward = found.get("BaseRenditionIsHDR", [""])[0].lower() == "true"
    headrooms = _of_channels(found, "HDRCapacityMin")[0], _of_channels(found, "HDRCapacityMax")[0]
    return GainTerms(low, high, gamma, base, other, *headrooms, is_backward=is_backward)


def _of_channels(found: Mapping[str, list[str]], name: str) -> tuple[Fraction, ...]:
    texts = found.get(name)
    if texts is None:
        if name not in DEFAULTS:
            raise SyntaxError(f"its XMP has no {name}")
        return (Fraction(DEFAULTS[name]),)
    if len(texts) not in (1, CHANNELS):
        raise SyntaxError(f"its {name} has {len(texts)} values and not 1 or {CHANNELS}")
    return tuple(_number(name, text) for text in texts)


def _number(name: str, text: str) -> Fraction:
    try:
        value = float(text) if len(text) <= MOST_TEXT else math.nan
    except ValueError:
        value = math.nan
    if not abs(value) <= LARGEST:
        raise SyntaxError(f"its {name} is {text[:20]!r} and no number up to {LARGEST}")
    return Fraction(value).limit_denominator(FINEST)


# ---- writing ------------------------------------------------------------------------------------------

HEAD = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}">'
TAIL = "</rdf:RDF></x:xmpmeta>"

NAMES = ("GainMapMin", "GainMapMax", "Gamma", "OffsetSDR", "OffsetHDR")

_RDF_END = re.compile(rb"</(?:[A-Za-z_][\w.-]{0,40}:)?RDF\s{0,10}>")

DIRECTORY = (
    f'<rdf:Description xmlns:rdf="{RDF}" xmlns:Container="http://ns.google.com/photos/1.0/container/" '
    f'xmlns:Item="http://ns.google.com/photos/1.0/container/item/" xmlns:hdrgm="{NAMESPACE}" rdf:about="" '
    'hdrgm:Version="1.0"><Container:Directory><rdf:Seq><rdf:li rdf:parseType="Resource"><Container:Item '
    'Item:Semantic="Primary" Item:Mime="image/jpeg"/></rdf:li><rdf:li rdf:parseType="Resource"><Container:Item '
    'Item:Semantic="GainMap" Item:Mime="image/jpeg" Item:Length="{length}"/></rdf:li></rdf:Seq></Container:Directory>'
    "</rdf:Description>"
)


def written_directory(length: int, packet: bytes) -> bytes:
    """XMP of a base picture: the directory with a gain map of `length` bytes, and what the packet has.

    packet: without a directory; empty for none.  One that has no end of RDF is left out.
    """
    own = DIRECTORY.format(length=length).encode()
    ends = list(_RDF_END.finditer(packet))
    if not ends:
        return HEAD.encode() + own + TAIL.encode()
    at = ends[-1].start()
    return packet[:at] + own + packet[at:]


def written_xmp_terms(terms: GainTerms) -> bytes:
    """XMP of a gain map."""
    columns = (terms.low, terms.high, terms.gamma, terms.base_offset, terms.other_offset)
    values = dict(zip(NAMES, columns, strict=True))
    single = {
        "Version": "1.0",
        **{name: _printed(value[0]) for name, value in values.items() if len(set(value)) == 1},
        "HDRCapacityMin": _printed(terms.base_headroom),
        "HDRCapacityMax": _printed(terms.other_headroom),
        "BaseRenditionIsHDR": str(terms.is_backward),
    }
    listed = "".join(
        f"<hdrgm:{name}><rdf:Seq>{''.join(map(_item, value))}</rdf:Seq></hdrgm:{name}>"
        for name, value in values.items()
        if len(set(value)) > 1
    )
    attributes = "".join(f' hdrgm:{name}="{value}"' for name, value in single.items())
    described = f'<rdf:Description rdf:about="" xmlns:hdrgm="{NAMESPACE}"{attributes}>{listed}</rdf:Description>'
    return f"{HEAD}{described}{TAIL}".encode()


def _item(value: Fraction) -> str:
    return f"<rdf:li>{_printed(value)}</rdf:li>"


def _printed(value: Fraction) -> str:
    return f"{float(value):.9g}"
