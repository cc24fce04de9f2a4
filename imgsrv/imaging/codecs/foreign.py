"""Names of the bodies that this server does not read, by their first bytes: for the message of the error."""

from __future__ import annotations

import re

STARTS = (
    (b"%!PS", "a PostScript or EPS document"),
    (b"\xc5\xd0\xd3\xc6", "an EPS document"),
    (b"v/1\x01", "an OpenEXR picture"),
    (b"icns", "an ICNS icon"),
    (b"DDS ", "a DDS texture"),
    (b"\xabKTX ", "a KTX texture"),
    (b"II\xbc\x01", "a JPEG XR picture"),
    (b"FLIF", "a FLIF picture"),
    (b"BPG\xfb", "a BPG picture"),
    (b"gimp xcf", "a GIMP document"),
    (b"AT&TFORM", "a DjVu document"),
    (b"SIMPLE  =", "a FITS picture"),
    (b"\x01\xda", "an SGI picture"),
    (b"\x59\xa6\x6a\x95", "a Sun raster picture"),
    (b"/* XPM */", "an XPM picture"),
    (b"\xd7\xcd\xc6\x9a", "a Windows metafile"),
    (b"\x1a\x45\xdf\xa3", "a video in Matroska or WebM"),
    (b"OggS", "a video or a sound in Ogg"),
    (b"FLV\x01", "a Flash video"),
    (b"\0\0\1\xba", "an MPEG video"),
    (b"\0\0\1\xb3", "an MPEG video"),
    (b"ID3", "an MP3 sound"),
    (b"fLaC", "a FLAC sound"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office document"),
    (b"--", "not a picture but looks like multipart/form-data without its Content-Type header"),
)
"""First bytes and what begins with them."""

_BASE64 = re.compile(rb"[A-Za-z0-9+/\r\n]{16,}+={0,2}\s*")
_URL = re.compile(rb"(?:https?|file|s3)://\S+\s*")

INSIDE = (
    (b"RIFF", 8, b"AVI ", "an AVI video"),
    (b"RIFF", 8, b"WAVE", "a WAVE sound"),
    (b"", 128, b"DICM", "a DICOM picture"),
    (b"", 4, b"ftyp", "a video or another ISO media file"),
    (b"", 40, b" EMF", "a Windows metafile"),
)
"""First bytes, and the bytes at another place, of what is known by both."""


def foreign(head: bytes) -> str | None:
    """The name of the kind of the body, with its article; None for an unknown one."""
    named = next((what for start, what in STARTS if head.startswith(start)), None)
    return named or inside(head, INSIDE) or _as_text(head)


def _as_text(head: bytes) -> str | None:
    """The name of a body of text that stands for a picture."""
    if head.startswith(b"data:"):
        return "a data URI: send the bytes that it stands for"
    if _URL.fullmatch(head):
        return "a URL: send the picture itself, or name it with source= where the operator allows that"
    if _BASE64.fullmatch(head):
        return "text in Base64, as it seems: send the bytes that it stands for"
    return None


def inside(head: bytes, rows: tuple[tuple[bytes, int, bytes, str], ...]) -> str | None:
    """The name in the row that fits the first bytes; None where none fits."""
    return next(
        (what for start, at, mark, what in rows if head.startswith(start) and head[at : at + len(mark)] == mark), None
    )
