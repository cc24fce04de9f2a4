"""The format of a file, from its first bytes alone; a Content-Type is not believed."""

from __future__ import annotations

from imgsrv.errors import UnsupportedFormat
from imgsrv.imaging.codecs.foreign import foreign
from imgsrv.imaging.formats import FORMATS, KNOWN

SNIFF_BYTES = 1024
"""Enough for the brands of an ISO media file and for an SVG behind an XML declaration and a comment."""

UNKNOWN = "in no picture format that is known here"
"""What UnsupportedFormat says of bytes that nothing is known of."""

HTML = (b"<!doctype html", b"<html")

_SIGNATURES = tuple((form.signatures, form.name) for form in KNOWN.values() if form.signatures)

_CUT_SIGNATURES = tuple(
    bytes(byte for byte in one if byte not in removed)
    for form in KNOWN.values()
    for one in form.signatures
    for removed in (b"\r\n", b"\r\n\0")
    if b"\r\n" in one
)
"""Signatures that hold a line end to show whether it was changed, without it, and as some curls leave them: without
zero bytes, too."""

_TESTS = tuple((form.begins, form.name) for form in KNOWN.values())


def sniff(head: bytes) -> str:
    """The name of the format of the picture that begins with `head`, of which SNIFF_BYTES are enough.

    Raises UnsupportedFormat for what this server does not read, with the name of what was recognised.
    """
    head = head[:SNIFF_BYTES]
    name = _recognised(head)
    if name is None:
        raise UnsupportedFormat(_foreign(head), readable_names())
    if name not in FORMATS:
        form = KNOWN[name]
        raise UnsupportedFormat(f"{form.label}, which {form.extra_name} adds", readable_names())
    return name


def readable_names() -> list[str]:
    """The formats that this server reads, as people write them."""
    return [form.label for form in FORMATS.values()]


def _recognised(head: bytes) -> str | None:
    """The name of a format in KNOWN."""
    for signatures, name in _SIGNATURES:
        if head.startswith(signatures):
            return name
    if _is_html(head):
        # A page may have a drawing in it.
        return None
    return next((name for begins, name in _TESTS if begins(head)), None)


def has_lost_line_ends(head: bytes) -> bool:
    """Whether the first bytes are those of a format whose signature has line ends, without them."""
    return head.startswith(_CUT_SIGNATURES)


def _label(head: bytes) -> str | None:
    """What people call the format that begins with the bytes."""
    name = _recognised(head)
    return None if name is None else KNOWN[name].label


def _foreign(head: bytes) -> str:
    if found := foreign(head, _label):
        return found
    if _is_html(head):
        return "an HTML page: send the picture itself, not the page that shows it"
    if head.lstrip().startswith(b"<?xml"):
        return "an XML document, and no SVG drawing"
    return UNKNOWN


def _is_html(head: bytes) -> bool:
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(HTML)
