"""SVG for Pillow: a drawing is parsed and written anew, without anything that refers to a file or an address.

The new text keeps the elements and attributes of SVG, references to parts of the drawing, and embedded pictures.  resvg
draws it in a separate process that can open nothing; see `imgsrv/imaging/apart/`.
"""

from __future__ import annotations

import io
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import Any
from xml.parsers import expat

from PIL import Image, ImageFile

from imgsrv.errors import Undecodable
from imgsrv.imaging.apart.pool import run
from imgsrv.imaging.apart.process import Allowance, Failed, Job, TooMuch
from imgsrv.imaging.formats.format import Format
from imgsrv.imaging.model.limits import ExactSize

NAME = "svg"

NAMESPACE = "http://www.w3.org/2000/svg"
XLINK_HREF = "http://www.w3.org/1999/xlink href"
XML_SPACE = "http://www.w3.org/XML/1998/namespace space"

MOST_BYTES = 8 << 20
"""Largest file of a drawing; the limit on what its entities expand to is derived from it."""

MOST_ELEMENTS = 100_000

CPU_S = 8
"""Most processor time for one drawing, in seconds."""

WALL_S = 60
"""Longest wait for one drawing in seconds, because a busy machine gives it little processor time."""

TOO_MUCH = "it takes too much time or memory to draw"

SPARE_BYTES, BYTES_PER_PIXEL = 512 << 20, 20
"""Memory for everything but the pixels; memory per pixel, for the picture and four layers that are composed on it."""

BOOKED_BYTES = 128 << 20
"""The part of SPARE_BYTES that an estimate counts.  Usual drawings need less, and small servers draw them too."""

SPARE_ROOM = 1 << 20
"""Room in a PNG for what is no pixel."""

STACK_SIGNALS = ("SIGSEGV", "SIGABRT", "SIGBUS")
"""How a process ends whose stack overflows."""

MOST_ENTITIES = 64
"""Most entities of a drawing.  Some editors declare a dozen, for the addresses of namespaces."""

DROPPED = ("script", "foreignObject")

MOST_PICTURES = 1000
"""Most different pictures that a drawing embeds: reading the headers of more takes longer than a fifth of a second."""

OWN_PICTURE = re.compile(r"data:image/(?:png|jpeg|jpg|gif|webp);base64,[A-Za-z0-9+/=\s]++", re.IGNORECASE)
"""A picture that the drawing embeds."""

LENGTH = re.compile(r"((?:[0-9]++(?:\.[0-9]++)?+|\.[0-9]++)(?:e[+-]?[0-9]++)?+)\s*+([a-z]*+)", re.IGNORECASE)
"""A number and its unit.  No part of the pattern gives back what it took, so the time is linear."""

LONGEST_LENGTH, LONGEST_VIEW_BOX = 64, 256
"""Characters of a length and of a view box that are read."""

FONTS = re.compile(r"((?:^|[\s;{])font(?:-family)?\s*+:[^;{}]*[^;{}\s])", re.IGNORECASE)
"""A declaration of fonts in a style sheet, without the semicolon at its end."""

ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
IN_QUOTES = {**ESCAPES, **str.maketrans({'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})}
"""Escapes for text and for values of attributes.  xml.sax.saxutils has both, but it imports urllib and ssl."""

OWN_FONT = ", Source Sans Pro"
"""The font that is appended to each list of fonts, for texts in fonts that are not installed."""

UNITS = {
    "": 1, "px": 1, "pt": 4 / 3, "pc": 16, "in": 96, "cm": 96 / 2.54, "mm": 96 / 25.4, "em": 16, "ex": 8,
}  # fmt: skip
"""Pixels of each unit, as CSS defines them."""

DEFAULT_SIZE = 300.0, 150.0
"""Width and height of a drawing that gives no size: the default of CSS 2.2, §10.3.2."""

SIMPLIFY = "make it simpler, or send it as a PNG"
WRITE_OUT = "replace its entities by their text"
"""Advice for a drawing that other programs open."""

LEAST_SIDE, MOST_SIDE = 1e-6, 1e9
"""Bounds of a side in pixels, so that a message can always show the size as a number and a scale divide by it."""


class SafeDrawing:
    """A drawing, parsed element by element.  text: the drawing, written anew.  size: its own size, in pixels."""

    def __init__(self, data: bytes) -> None:
        """Parse the file.  Raises Undecodable if it is no SVG, is too large, or has entities that refer to others."""
        self._data, self._count, self._entities = data, 0, 0
        # dropped: depth of the outermost element that is left out; 0 outside of such elements.
        self._parts: list[str] = []
        self._tags: list[str] = []
        self._pictures: set[str] = set()
        self._dropped = 0
        self.size = DEFAULT_SIZE
        if len(data) > MOST_BYTES:
            raise Undecodable(NAME, f"it has {len(data):,} bytes and the limit is {MOST_BYTES:,}", SIMPLIFY)
        parser = expat.ParserCreate("utf-8", " ")
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler, parser.EntityDeclHandler = self._text, self._entity
        # `_text` must get a style sheet in one piece.
        parser.buffer_text, parser.buffer_size = True, MOST_BYTES
        try:
            parser.Parse(data, True)
        except expat.ExpatError as error:
            raise Undecodable(NAME, f"it is not well-formed XML: {error}") from error
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
        if self._count > MOST_ELEMENTS:
            raise Undecodable(NAME, f"it has more than {MOST_ELEMENTS:,} elements", SIMPLIFY)
        kept = _kept(attributes)
        self._keep_picture(kept.get("xlink:href", ""))
        if self._count == 1:
            width, height = _size(kept)
            self.size = max(LEAST_SIDE, width), max(LEAST_SIDE, height)
            kept |= {"xmlns": NAMESPACE, "xmlns:xlink": XLINK_HREF.removesuffix(" href")}
            kept |= {"width": f"{self.size[0]:.6f}", "height": f"{self.size[1]:.6f}"}
        self._parts.append(f"<{tag}{''.join(f' {key}={_quoted(value)}' for key, value in kept.items())}>")

    def _keep_picture(self, reference: str) -> None:
        if OWN_PICTURE.fullmatch(reference):
            self._pictures.add(reference)
            if len(self._pictures) > MOST_PICTURES:
                raise Undecodable(NAME, f"it has more than {MOST_PICTURES:,} pictures", SIMPLIFY)

    def pictures(self) -> Iterator[bytes]:
        """The files of the pictures that the drawing embeds."""
        for reference in self._pictures:
            # Only a reference of a wrong length cannot be read, and the renderer ignores it.
            with suppress(ValueError):
                yield b64decode(reference.partition(",")[2])

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
    """The attributes of SVG, without references to anything outside of the drawing."""
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
    """Width and height in pixels.

    A missing side follows from the other side and the view box.  Without both sides it is the size of the view box.
    """
    width, height = _length(attributes.get("width")), _length(attributes.get("height"))
    box = _view_box(attributes.get("viewBox", ""))
    if box is None:
        return width or DEFAULT_SIZE[0], height or DEFAULT_SIZE[1]
    if width and height:
        return width, height
    scale = width / box[0] if width else height / box[1] if height else 1.0
    return min(MOST_SIDE, box[0] * scale), min(MOST_SIDE, box[1] * scale)


def _length(text: str | None) -> float:
    """A length in pixels; 0 for a missing one and for a percentage, which has no meaning outside of a page."""
    found = LENGTH.fullmatch(text.strip()) if text and len(text) <= LONGEST_LENGTH else None
    unit = UNITS.get(found[2].lower(), 0) if found else 0
    return min(MOST_SIDE, float(found[1]) * unit) if found and unit else 0.0


def _view_box(text: str) -> tuple[float, float] | None:
    if len(text) > LONGEST_VIEW_BOX:
        return None
    try:
        _left, _top, width, height = map(float, text.replace(",", " ").split())
    except ValueError:
        return None
    return (width, height) if 0 < width < MOST_SIDE and 0 < height < MOST_SIDE else None


class SvgFile(ImageFile.ImageFile):
    """A drawing in Pillow.  It is drawn by `load`, at its own size or at the size that `draft` was given."""

    format = "SVG"
    format_description = "Scalable Vector Graphics"

    def _open(self) -> None:
        data = self.fp.read(MOST_BYTES + 1)  # type: ignore[union-attr]  # there is one while a file is opened
        self.drawing = SafeDrawing(data)
        width, height = self.drawing.size
        self._size = max(1, round(width)), max(1, round(height))
        self._mode = "RGBA"
        self.tile = []

    def draft(self, mode: str | None, size: tuple[int, int] | None) -> None:
        """Set the size at which `load` draws, also after another one was drawn."""
        del mode
        if size is not None:
            self._size, self._im = size, None

    def load(self) -> Any:
        """Draw the picture once.  Raises Undecodable if it cannot be drawn within the limits."""
        if self._im is None:
            self.im = _drawn(self.drawing, self.size).im
        return super().load()


def _pictures(image: Image.Image) -> Iterator[bytes]:
    return image.drawing.pictures() if isinstance(image, SvgFile) else iter(())


def _exact_size(image: Image.Image) -> ExactSize | None:
    return image.drawing.size if isinstance(image, SvgFile) else None


def _drawn(drawing: SafeDrawing, size: tuple[int, int]) -> Image.Image:
    """The pixels, drawn in a process that can open no file and no socket and has limits on time and memory."""
    scale = size[0] / drawing.size[0], size[1] / drawing.size[1]
    memory = SPARE_BYTES + BYTES_PER_PIXEL * size[0] * size[1]
    # A PNG of noise is a little larger than its pixels.
    room = 5 * size[0] * size[1] + SPARE_ROOM
    job = Job("draw", {"size": size, "scale": scale}, [drawing.text.encode()], room)
    try:
        pieces = run(NAME, job, Allowance(memory, CPU_S, WALL_S), STACK_SIGNALS)
    except Failed as error:
        raise Undecodable(NAME, str(error)) from error
    except TooMuch as error:
        raise Undecodable(NAME, TOO_MUCH, SIMPLIFY) from error
    drawn = Image.open(io.BytesIO(b"".join(pieces)), formats=["PNG"])
    if drawn.size != size:
        raise Undecodable(NAME, "it was drawn at another size than asked for")
    return drawn.convert("RGBA")


def _text_of(head: bytes) -> bytes:
    """The first bytes in lower case, without a byte order mark and leading white space."""
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
    exact_size=_exact_size,
    pictures=_pictures,
    options=None,
    decode_bytes_per_pixel=24,
    decode_bytes=BOOKED_BYTES,
)
