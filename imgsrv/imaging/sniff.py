"""Which format the bytes are in, from their first bytes alone; nobody's Content-Type is believed."""

from __future__ import annotations

from imgsrv.errors import UnsupportedFormat
from imgsrv.imaging.formats import FORMATS

SNIFF_BYTES = 512
"""Enough for the brands of an ISO media file and for an SVG behind an XML declaration."""

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
)

_ISO_BRANDS = {
    "avif": (b"avif", b"avis"),
    "HEIC": (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"),
}

_FOREIGN = (
    (b"%PDF-", "a PDF document"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "a JPEG XL picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"8BPS", "a Photoshop document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"--", "not a picture but looks like multipart/form-data without its Content-Type header"),
)


def sniff(head: bytes) -> str:
    """The key in FORMATS of the picture that begins with `head` (SNIFF_BYTES of it are enough).

    Raises UnsupportedFormat, naming what was recognised, for anything that this server does not read.
    """
    head = head[:SNIFF_BYTES]
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        return _sniff_iso(head)
    raise UnsupportedFormat(_foreign(head), readable_names())


def readable_names() -> list[str]:
    """The formats this server reads, as people write them."""
    return [form.label for form in FORMATS.values()]


def _sniff_iso(head: bytes) -> str:
    box = head[8 : int.from_bytes(head[:4], "big")]
    brands = [box[:4], *(box[at : at + 4] for at in range(8, len(box), 4))]
    if any(brand in _ISO_BRANDS["avif"] for brand in brands):
        return "avif"
    is_heic = any(brand in _ISO_BRANDS["HEIC"] for brand in brands)
    raise UnsupportedFormat("a HEIC picture" if is_heic else "a video or another ISO media file", readable_names())


def _foreign(head: bytes) -> str:
    for signature, description in _FOREIGN:
        if head.startswith(signature):
            return description
    text = head.lstrip().lower()
    if b"<svg" in text:
        return "an SVG drawing"
    if text.startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    return "in no picture format that is known here"
