"""Which format the bytes are in, from their first bytes alone; nobody's Content-Type is believed."""

from __future__ import annotations

from imgsrv.errors import UnsupportedFormat
from imgsrv.imaging.formats import FORMATS, KNOWN, how_to_install

SNIFF_BYTES = 1024
"""Enough for the brands of an ISO media file and for an SVG behind an XML declaration and a comment."""

_SIGNATURES = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),
    (b"MM\x00+", "tiff"),
    (b"BM", "bmp"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "jp2"),
    (b"\xff\x4f\xff\x51", "jp2"),
    (b"\x00\x00\x01\x00", "ico"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "jxl"),
    (b"\xff\x0a", "jxl"),
)

_ISO_BRANDS = {
    "avif": (b"avif", b"avis"),
    "heic": (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"),
}

HTML = (b"<!doctype html", b"<html")

_FOREIGN = (
    (b"%PDF-", "a PDF document"),
    (b"8BPS", "a Photoshop document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"--", "not a picture but looks like multipart/form-data without its Content-Type header"),
)


def sniff(head: bytes) -> str:
    """The key in FORMATS of the picture that begins with `head` (SNIFF_BYTES of it are enough).

    Raises UnsupportedFormat, naming what was recognised, for anything that this server does not read.
    """
    head = head[:SNIFF_BYTES]
    name = _recognised(head)
    if name is None:
        raise UnsupportedFormat(_foreign(head), readable_names())
    if name not in FORMATS:
        form = KNOWN[name]
        raise UnsupportedFormat(f"{form.label}, which {how_to_install(form.extra)} adds", readable_names())
    return name


def _recognised(head: bytes) -> str | None:
    """The key in KNOWN."""
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        return _recognised_iso(head)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return "svg" if text.startswith(b"<") and b"<svg" in text and not text.startswith(HTML) else None


def readable_names() -> list[str]:
    """The formats this server reads, as people write them."""
    return [form.label for form in FORMATS.values()]


def _recognised_iso(head: bytes) -> str | None:
    box = head[8 : int.from_bytes(head[:4], "big")]
    brands = [box[:4], *(box[at : at + 4] for at in range(8, len(box), 4))]
    return next((name for name, known in _ISO_BRANDS.items() if any(brand in known for brand in brands)), None)


def _foreign(head: bytes) -> str:
    for signature, description in _FOREIGN:
        if head.startswith(signature):
            return description
    if head[4:8] == b"ftyp":
        return "a video or another ISO media file"
    if head.lstrip().lower().startswith(HTML):
        return "an HTML page"
    return "in no picture format that is known here"
