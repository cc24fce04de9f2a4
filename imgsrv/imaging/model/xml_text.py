"""Text and values of attributes in XML.  xml.sax.saxutils writes both too, but it loads urllib, http and ssl."""

from __future__ import annotations

ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
IN_QUOTES = {**ESCAPES, **str.maketrans({'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})}


def escaped(text: str) -> str:
    """The text between tags."""
    return text.translate(ESCAPES)


def quoted(value: str) -> str:
    """The value of an attribute, in quotes."""
    return f'"{value.translate(IN_QUOTES)}"'
