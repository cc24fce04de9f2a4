"""SafeDrawing: a drawing, parsed element by element and written anew.

The new text keeps the elements and attributes of SVG, references to parts of the drawing, and embedded pictures.  An
embedded drawing is written anew in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

from imgsrv.errors import Undecodable
from imgsrv.imaging.formats.svg.embedded import DRAWING, bytes_of, data_url, is_embedded, kind_of
from imgsrv.imaging.formats.svg.lengths import size_of, view_box
from imgsrv.imaging.formats.svg.source import MOST_BYTES, NAME, SIMPLIFY, begins, text_of
from imgsrv.imaging.formats.svg.styles import OWN_FONT, declarations, transform_of, with_own_font
from imgsrv.imaging.model.xml_text import escaped, quoted

NAMESPACE = "http://www.w3.org/2000/svg"
XLINK_HREF = "http://www.w3.org/1999/xlink href"
XML_SPACE = "http://www.w3.org/XML/1998/namespace space"

MOST_ELEMENTS = 100_000

MOST_ENTITIES = 64
"""Most entities of a drawing.  Some editors declare a dozen, for the addresses of namespaces."""

MOST_PICTURES = 1000
"""Most different pictures that a drawing embeds: reading the headers of more takes longer than a fifth of a second."""

MOST_DEPTH = 3
"""Drawings that are embedded in one another, with the outermost one."""

DROPPED = ("script", "foreignObject")

WITH_PICTURES = ("image", "feImage")
"""Elements that show a picture."""

DOUBLED = ("transform", "opacity", "filter", "mask", "clip-path", "style", "class")
"""Attributes of an inner svg element that resvg may apply twice."""

PLACED = ("x", "y", "width", "height", "viewBox", "preserveAspectRatio", "overflow", "xml:space")
"""Attributes of an inner svg element that say where it lies; the others hold for all of it."""

WRITE_OUT = "replace its entities by their text"
"""Advice for a drawing that other programs open."""


@dataclass(slots=True)
class _Shared:
    """Counts of a drawing and those that it embeds together.

    written: how each embedded picture is written, by its reference; None for one that is left out.
    pictures: the files of those that are no drawings.  has_box: the reference is that of a drawing with a view box.
    """

    elements: int = 0
    written: dict[str, str | None] = field(default_factory=dict)
    pictures: list[bytes] = field(default_factory=list)
    without_box: set[str] = field(default_factory=set)


class SafeDrawing:
    """A drawing, parsed element by element.  text: the drawing, written anew.  size: its own size, in pixels."""

    def __init__(self, data: bytes, shared: _Shared | None = None, depth: int = 1) -> None:
        """Parse the file.  Raises Undecodable if it is no SVG, is too large, or has entities that refer to others.

        shared, depth: of the drawing that embeds it.
        """
        self._data = text_of(data)
        self._shared, self._depth = shared or _Shared(), depth
        self._count = self._entities = 0
        # dropped: depth of the outermost element that is left out; 0 outside of such elements.
        self._parts: list[str] = []
        self._tags: list[str] = []
        self._ends: list[str] = []
        self._dropped = 0
        self.size = size_of({})
        self.has_view_box = False
        parser = expat.ParserCreate("utf-8", " ")
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler, parser.EntityDeclHandler = self._text, self._entity
        # `_text` must get a style sheet in one piece.
        parser.buffer_text, parser.buffer_size = True, MOST_BYTES
        try:
            parser.Parse(self._data, True)
        except expat.ExpatError as error:
            raise Undecodable(NAME, f"it is not well-formed XML: {error}") from error
        if not self._count:
            raise Undecodable(NAME, "there is no svg element in it")
        self.text = "".join(self._parts)

    @property
    def pictures(self) -> list[bytes]:
        """The files of the pictures that the drawing embeds, and those that its embedded drawings do."""
        return self._shared.pictures

    def _entity(
        self,
        name: str,
        is_parameter: int,
        value: str | None,
        _base: str | None,
        _system: str | None,
        *_: str | None,
    ) -> None:
        self._entities += 1
        if is_parameter or value is None:
            raise Undecodable(NAME, "it refers to another document", WRITE_OUT)
        if "&" in value or "%" in value:
            raise Undecodable(NAME, "its entities refer to other entities", WRITE_OUT)
        uses = self._data.count(f"&{name};".encode())
        if self._entities > MOST_ENTITIES or uses * len(value) > MOST_BYTES // MOST_ENTITIES:
            raise Undecodable(NAME, "it has too many entities, or they expand to too much text", WRITE_OUT)

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        namespace, _, tag = name.rpartition(" ")
        self._tags.append(tag)
        if not self._count and tag != "svg":
            raise Undecodable(NAME, "its outermost element is not svg")
        if self._dropped or namespace not in (NAMESPACE, "") or tag in DROPPED:
            self._dropped = self._dropped or len(self._tags)
            return
        self._count += 1
        self._shared.elements += 1
        if self._shared.elements > MOST_ELEMENTS:
            raise Undecodable(NAME, f"it has more than {MOST_ELEMENTS:,} elements", SIMPLIFY)
        kept, end = self._kept(tag, attributes), f"</{tag}>"
        if self._count == 1:
            self.size, self.has_view_box = size_of(kept), view_box(kept.get("viewBox", "")) is not None
            kept |= {"xmlns": NAMESPACE, "xmlns:xlink": XLINK_HREF.removesuffix(" href")}
            kept |= {"width": f"{self.size[0]:.6f}", "height": f"{self.size[1]:.6f}"}
        elif tag == "svg" and not kept.keys().isdisjoint(DOUBLED):
            overflow = declarations(kept.get("style", "")).get("overflow")
            self._parts.append(_tag("g", {key: value for key, value in kept.items() if key not in PLACED}))
            kept = {key: value for key, value in kept.items() if key in PLACED}
            kept |= {"overflow": overflow} if overflow else {}
            end = "</svg></g>"
        self._parts.append(_tag(tag, kept))
        self._ends.append(end)

    def _kept(self, tag: str, attributes: Mapping[str, str]) -> dict[str, str]:
        """The attributes of SVG, without references to anything outside of the drawing."""
        kept = {}
        for key, value in attributes.items():
            if key == XML_SPACE:
                kept["xml:space"] = value
            elif key == "style":
                kept |= _styled(value)
            elif key == "font-family":
                kept[key] = value + OWN_FONT
            elif " " not in key and key != "href":
                kept.setdefault(key, value)
        reference = attributes.get("href", attributes.get(XLINK_HREF, "")).strip()
        if reference.startswith("#"):
            kept["xlink:href"] = reference
        elif is_embedded(reference) and tag in WITH_PICTURES and (written := self._embedded(reference)):
            kept["xlink:href"] = written
            if reference in self._shared.without_box and tag == "image":
                # Browsers stretch a drawing that has no view box.
                kept["preserveAspectRatio"] = "none"
        return kept

    def _embedded(self, reference: str) -> str | None:
        """How an embedded picture is written; None for what browsers do not show either."""
        shared = self._shared
        if reference not in shared.written:
            if len(shared.written) == MOST_PICTURES:
                raise Undecodable(NAME, f"it has more than {MOST_PICTURES:,} pictures", SIMPLIFY)
            data = bytes_of(reference)
            kind = kind_of(data)
            shared.written[reference] = data_url(kind, data) if kind else None
            if kind:
                shared.pictures.append(data)
            elif begins(data):
                shared.written[reference] = self._inner(reference, data)
        return shared.written[reference]

    def _inner(self, reference: str, data: bytes) -> str | None:
        if self._depth == MOST_DEPTH:
            raise Undecodable(NAME, f"more than {MOST_DEPTH} drawings are embedded in one another", SIMPLIFY)
        try:
            drawing = SafeDrawing(data, self._shared, self._depth + 1)
        except Undecodable as error:
            if isinstance(error.__cause__, expat.ExpatError):
                return None
            raise
        if not drawing.has_view_box:
            self._shared.without_box.add(reference)
        return data_url(DRAWING, drawing.text.encode())

    def _end(self, _name: str) -> None:
        if not self._dropped:
            self._parts.append(self._ends.pop())
        elif self._dropped == len(self._tags):
            self._dropped = 0
        self._tags.pop()

    def _text(self, text: str) -> None:
        if not self._dropped:
            shown = with_own_font(text) if self._tags[-1] == "style" else text
            self._parts.append(escaped(shown))


def _styled(style: str) -> dict[str, str]:
    """A style as attributes.  resvg reads a transform only as an attribute."""
    shown = with_own_font(style)
    given = declarations(style)
    if "transform" not in given:
        return {"style": shown}
    rest = [part for part in shown.split(";") if part.partition(":")[0].strip().lower() != "transform"]
    transform = transform_of(given["transform"])
    return {"style": ";".join(rest)} | ({} if transform is None else {"transform": transform})


def _tag(name: str, attributes: Mapping[str, str]) -> str:
    return f"<{name}{''.join(f' {key}={quoted(value)}' for key, value in attributes.items())}>"
