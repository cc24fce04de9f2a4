"""SVG for Pillow: a drawing is read and written anew with nothing in it that asks for a file or an address.

What is kept are elements and attributes of SVG, references inside the drawing and pictures that it holds itself.  What
comes out is drawn by resvg in a process of its own that can open nothing; see `imgsrv/imaging/codecs/svg_process.py`.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any
from xml.parsers import expat

from PIL import Image, ImageFile

from imgsrv.errors import Undecodable
from imgsrv.imaging.formats.format import Format
from imgsrv.imaging.pixels.fonts import drawing_fonts

NAME = "svg"

NAMESPACE = "http://www.w3.org/2000/svg"
XLINK_HREF = "http://www.w3.org/1999/xlink href"
XML_SPACE = "http://www.w3.org/XML/1998/namespace space"

MOST_BYTES = 8 << 20
"""Of a drawing, and of what its entities stand for."""

MOST_ELEMENTS = 100_000

CPU_S = 8
"""Longest computing for one drawing."""

WALL_S = 60
"""Longest wait for one drawing, on a machine that has other things to do."""

TOO_MUCH = "it takes too much time or memory to draw"

MOST_ENTITIES = 64
"""Some editors write a dozen for the addresses of namespaces."""

DROPPED = ("script", "foreignObject")

OWN_PICTURE = re.compile(r"data:image/(?:png|jpeg|jpg|gif|webp);base64,[A-Za-z0-9+/=\s]+", re.IGNORECASE)
"""A picture that the drawing holds itself."""

LENGTH = re.compile(r"\s*([0-9]*\.?[0-9]+(?:e[+-]?[0-9]+)?)\s*([a-z]*)\s*", re.IGNORECASE)

FONTS = re.compile(r"((?:^|[\s;{])font(?:-family)?\s*:[^;{}]*[^;{}\s])", re.IGNORECASE)
"""What a style sheet says of fonts, up to its end."""

ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
IN_QUOTES = {**ESCAPES, **str.maketrans({'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})}
"""What text and values of attributes are written with; xml.sax.saxutils has both, and imports urllib and ssl."""

OWN_FONT = ", Source Sans Pro"
"""For texts in fonts that are not there, behind the fonts that are asked for."""

UNITS = {
    "": 1, "px": 1, "pt": 4 / 3, "pc": 16, "in": 96, "cm": 96 / 2.54, "mm": 96 / 25.4, "em": 16, "ex": 8,
}  # fmt: skip
"""Pixels of a unit, as CSS has them."""

DEFAULT_SIZE = 300.0, 150.0
"""Of a drawing that says nothing of its size: that of CSS 2.2, §10.3.2."""

SIMPLIFY = "make it simpler, or send it as a PNG"
WRITE_OUT = "write out what its entities stand for"
"""What to do about a drawing that opens elsewhere."""

MOST_SIDE = 1e9
"""No length is longer, so that a size can always be told."""


class SafeDrawing:
    """A drawing read element by element.  text: the drawing anew.  size: as it says itself, in pixels."""

    def __init__(self, data: bytes) -> None:
        """Raises Undecodable for what is no SVG, is too large, or has entities that grow."""
        self._data, self._count, self._entities = data, 0, 0
        # dropped: at which depth something begins that is left out; 0 where nothing is.
        self._parts: list[str] = []
        self._tags: list[str] = []
        self._dropped = 0
        self.size = DEFAULT_SIZE
        if len(data) > MOST_BYTES:
            raise Undecodable(NAME, f"it has {len(data):,} bytes and a drawing may have {MOST_BYTES:,}", SIMPLIFY)
        parser = expat.ParserCreate("utf-8", " ")
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler, parser.EntityDeclHandler = self._text, self._entity
        # A style sheet must come in one piece.
        parser.buffer_text, parser.buffer_size = True, MOST_BYTES
        try:
            parser.Parse(data, True)
        except expat.ExpatError as error:
            raise Undecodable(NAME, f"it is no well-formed XML: {error}") from error
        if not self._count:
            raise Undecodable(NAME, "there is no svg element in it")
        self.text = "".join(self._parts)

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
            raise Undecodable(NAME, "it asks for a document beside it", WRITE_OUT)
        if "&" in value or "%" in value:
            raise Undecodable(NAME, "its entities stand for further ones", WRITE_OUT)
        uses = self._data.count(f"&{name};".encode())
        if self._entities > MOST_ENTITIES or uses * len(value) > MOST_BYTES // MOST_ENTITIES:
            raise Undecodable(NAME, "its entities are too many or stand for too much", WRITE_OUT)

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        namespace, _, tag = name.rpartition(" ")
        self._tags.append(tag)
        if not self._count and tag != "svg":
            raise Undecodable(NAME, "its outermost element is no svg")
        if self._dropped or namespace not in (NAMESPACE, "") or tag in DROPPED:
            self._dropped = self._dropped or len(self._tags)
            return
        self._count += 1
        if self._count > MOST_ELEMENTS:
            raise Undecodable(NAME, f"it has more than {MOST_ELEMENTS:,} elements", SIMPLIFY)
        kept = _kept(attributes)
        if self._count == 1:
            self.size = _size(kept)
            kept |= {"xmlns": NAMESPACE, "xmlns:xlink": XLINK_HREF.removesuffix(" href")}
            kept |= {"width": f"{self.size[0]:.6f}", "height": f"{self.size[1]:.6f}"}
        self._parts.append(f"<{tag}{''.join(f' {key}={_quoted(value)}' for key, value in kept.items())}>")

    def _end(self, _name: str) -> None:
        if not self._dropped:
            self._parts.append(f"</{self._tags[-1]}>")
        elif self._dropped == len(self._tags):
            self._dropped = 0
        self._tags.pop()

    def _text(self, text: str) -> None:
        if not self._dropped:
            shown = FONTS.sub(rf"\1{OWN_FONT}", text) if self._tags[-1] == "style" else text
            self._parts.append(shown.translate(ESCAPES))


def _quoted(value: str) -> str:
    return f'"{value.translate(IN_QUOTES)}"'


def _kept(attributes: Mapping[str, str]) -> dict[str, str]:
    """The attributes of SVG itself, without references that lead out of the drawing."""
    kept = {}
    for key, value in attributes.items():
        if key in ("href", XLINK_HREF):
            if value.startswith("#") or OWN_PICTURE.fullmatch(value):
                kept["xlink:href"] = value
        elif key == XML_SPACE:
            kept["xml:space"] = value
        elif key == "style":
            kept[key] = FONTS.sub(rf"\1{OWN_FONT}", value)
        elif " " not in key:
            kept[key] = value + OWN_FONT if key == "font-family" else value
    return kept


def _size(attributes: Mapping[str, str]) -> tuple[float, float]:
    """Width and height in pixels: as given, else from the other side's and the view box, else of that."""
    width, height = _length(attributes.get("width")), _length(attributes.get("height"))
    box = _view_box(attributes.get("viewBox", ""))
    if box is None:
        return width or DEFAULT_SIZE[0], height or DEFAULT_SIZE[1]
    if width and height:
        return width, height
    scale = width / box[0] if width else height / box[1] if height else 1.0
    return min(MOST_SIDE, box[0] * scale), min(MOST_SIDE, box[1] * scale)


def _length(text: str | None) -> float:
    """Pixels; 0 for none, and for a share of what is around the drawing."""
    found = LENGTH.fullmatch(text or "")
    unit = UNITS.get(found[2].lower(), 0) if found else 0
    return min(MOST_SIDE, float(found[1]) * unit) if found else 0.0


def _view_box(text: str) -> tuple[float, float] | None:
    try:
        _left, _top, width, height = map(float, text.replace(",", " ").split())
    except ValueError:
        return None
    return (width, height) if 0 < width < MOST_SIDE and 0 < height < MOST_SIDE else None


class SvgFile(ImageFile.ImageFile):
    """A drawing: as large as it says, or as `draft` asks, when its pixels are asked for."""

    format = "SVG"
    format_description = "Scalable Vector Graphics"

    def _open(self) -> None:
        data = self.fp.read(MOST_BYTES + 1)  # type: ignore[union-attr]  # there is one while a file is opened
        self._drawing = SafeDrawing(data)
        width, height = self._drawing.size
        self._size = max(1, round(width)), max(1, round(height))
        self._mode = "RGBA"
        self.tile = []

    def draft(self, mode: str | None, size: tuple[int, int] | None) -> None:
        """Draw it at this size."""
        del mode
        if size is not None:
            self._size = size

    def load(self) -> Any:
        """Draw, once.  Raises Undecodable for what cannot be drawn within the limits."""
        if self._im is None:
            self.im = _drawn(self._drawing, self.size).im
        return super().load()


def _drawn(drawing: SafeDrawing, size: tuple[int, int]) -> Image.Image:
    """The pixels, from a process that can open no file and no socket and may use so much time and memory."""
    scale = size[0] / drawing.size[0], size[1] / drawing.size[1]
    order = {"size": size, "scale": scale, "fonts": drawing_fonts(), "cpu_s": CPU_S}
    command = [sys.executable, "-I", "-m", "imgsrv.imaging.codecs.svg_process", json.dumps(order)]
    try:
        done = subprocess.run(  # noqa: S603  no shell, and nothing of a client's among the words
            command, input=drawing.text.encode(), capture_output=True, check=False, timeout=WALL_S
        )
    except subprocess.TimeoutExpired as error:
        raise Undecodable(NAME, TOO_MUCH, SIMPLIFY) from error
    except OSError as error:
        # Not the drawing's fault, which an OSError would be taken for.
        raise MemoryError("no process for a drawing") from error
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().splitlines() if done.returncode > 0 else []
        if reason:
            raise Undecodable(NAME, reason[-1])
        raise Undecodable(NAME, TOO_MUCH, SIMPLIFY)
    return Image.open(io.BytesIO(done.stdout), formats=["PNG"]).convert("RGBA")


def _text_of(head: bytes) -> bytes:
    """Behind a byte order mark and spaces, in small letters."""
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()


def _begins(head: bytes) -> bool:
    text = _text_of(head)
    return text.startswith(b"<") and b"<svg" in text


@cache
def _register() -> None:
    Image.register_open(SvgFile.format, SvgFile, lambda head: _text_of(head).startswith(b"<"))


FORMAT = Format(
    name=NAME,
    label="SVG",
    pillow=SvgFile.format,
    media_type="image/svg+xml",
    suffixes=(".svg",),
    position=12,
    extra="svg",
    wheel="resvg",
    register=_register,
    begins=_begins,
    has_metadata=False,
    is_vector=True,
    options=None,
)
