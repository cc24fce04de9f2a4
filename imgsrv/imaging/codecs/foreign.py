"""Names of the bodies that this server does not read, by their first bytes: for the message of the error.

Much of what comes stands for a picture: packed, as text in Base64, as a form or as the name of a file.  Its name says
what to send instead.
"""

from __future__ import annotations

import binascii
import re
import zlib
from collections.abc import Callable
from contextlib import suppress

Recognise = Callable[[bytes], str | None]
"""Gives what people call the format of a picture that begins with the bytes; None for no picture."""

_AS_LATIN_1 = "a picture whose bytes were written as text in UTF-8: read and send it as bytes"
_OTHER_LINE_ENDS = "a PNG with other line ends, as a transfer of text leaves it: transfer it as bytes"

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
    (b"PK\x03\x04", "a ZIP archive: send the pictures in it one by one"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd: unpack it, and send the picture that is in it"),
    (b"\xfd7zXZ\0", "packed with xz: unpack it, and send the picture that is in it"),
    (b"\x04\x22\x4d\x18", "packed with LZ4: unpack it, and send the picture that is in it"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office document"),
    (b"\xc2\x89PNG", _AS_LATIN_1),
    (b"\xc3\xbf\xc3\x98\xc3\xbf", _AS_LATIN_1),
    (b"\x89PNG\n\x1a", _OTHER_LINE_ENDS),
    (b"\x89PNG\r\r\n\x1a", _OTHER_LINE_ENDS),
    (b"[object ", "the text that JavaScript makes of an object: send the Blob, the File or the ArrayBuffer itself"),
    (b"<Buffer ", "the text that Node.js prints for a Buffer: send the Buffer itself"),
    (b"b'\\x", "the text that Python prints for bytes: send the bytes themselves"),
    (b'b"\\x', "the text that Python prints for bytes: send the bytes themselves"),
    (b"--", "not a picture but looks like multipart/form-data without its Content-Type header"),
)
"""First bytes and what begins with them."""

REPLACED = b"\xef\xbf\xbd"
"""U+FFFD in UTF-8, which stands where bytes were no text; a JPEG begins with three such bytes, a PNG with one."""

_BASE64 = re.compile(rb"[A-Za-z0-9+/\r\n]{16,}+={0,2}\s*")
_URL_SAFE = re.compile(rb"[A-Za-z0-9_-]{16,}+={0,2}")
_HEX = re.compile(rb"(?:0x|\\x)?[0-9A-Fa-f\s:]{32,}+")
_URL = re.compile(rb"(?:https?|ftp|file|s3|gs|blob:https?)://\S+\s*")
_DATA = re.compile(rb"data:.*+", re.DOTALL)
_JSON = re.compile(rb"[\[{]\s*+(?:[\"\[\]{}]|-?[0-9]|true|false|null).*+", re.DOTALL)
_FILE_NAME = re.compile(
    rb"(?:[\w-]{1,64}=)?@?[^\0-\x1f<>\"|?*=&]{1,255}\.(?:jpe?g|png|gif|webp|avif|hei[cf]|tiff?|bmp|svg|ico|jp2|jxl|pdf)",
    re.IGNORECASE,
)
_FORM = re.compile(rb"[A-Za-z][\w.\[\]-]{0,63}=[\x21-\x7e]*+")

_INSTEAD = "send the bytes of the picture as the body, or as the part 'file' of multipart/form-data"
_BASE64_TEXT = "text in Base64, as it seems: send the bytes that it stands for"

_TEXTS = (
    (_DATA, "a data URI: send the bytes that it stands for"),
    (_URL, "a URL: send the picture itself, or name it with source= where the operator allows that"),
    (_HEX, "text in hexadecimal digits, as it seems: send the bytes that they stand for"),
    (_BASE64, _BASE64_TEXT),
    (
        _FILE_NAME,
        "the name of a file, not what is in it: with curl, write --data-binary @photo.jpg or -F file=@photo.jpg",
    ),
    (_JSON, f"JSON, which is no picture format: {_INSTEAD}"),
    (_FORM, f"a form of text, as application/x-www-form-urlencoded has it: {_INSTEAD}"),
)
"""What a whole text looks like, without blanks and quotes around it, and its name."""

_PACKED = ((b"\x1f\x8b", zlib.MAX_WBITS | 16, "a gzip archive"), (b"\x78", zlib.MAX_WBITS, "packed with deflate"))
"""First bytes, the window for zlib, and the name.  A text may begin with the single byte too, so it is unpacked."""

UNPACKED = 1024
"""Bytes of packed data that are looked at."""

DECODED = 400
"""Letters of Base64 that are looked at."""

INSIDE = (
    (b"RIFF", 8, b"AVI ", "an AVI video"),
    (b"RIFF", 8, b"WAVE", "a WAVE sound"),
    (b"", 128, b"DICM", "a DICOM picture"),
    (b"", 4, b"ftyp", "a video or another ISO media file"),
    (b"", 40, b" EMF", "a Windows metafile"),
    (b"BZh", 4, b"1AY&SY", "packed with bzip2: unpack it, and send the picture that is in it"),
)
"""First bytes, and the bytes at another place, of what is known by both."""


def foreign(head: bytes, recognised: Recognise) -> str | None:
    """The name of the kind of the body, with its article; None for an unknown one."""
    named = next((what for start, what in STARTS if head.startswith(start)), None)
    return named or inside(head, INSIDE) or _as_packed(head, recognised) or _as_text(head, recognised)


def _as_packed(head: bytes, recognised: Recognise) -> str | None:
    """The name of packed data, with the format of the picture in it if that can be told."""
    for start, window, name in _PACKED:
        found = b""
        if head.startswith(start):
            with suppress(zlib.error):
                found = zlib.decompressobj(window).decompress(head, UNPACKED)
        if found or (head.startswith(start) and len(start) > 1):
            label = recognised(found)
            return f"{name}{f' that holds {label}' if label else ''}: unpack it, and send the picture that is in it"
    return None


def _as_text(head: bytes, recognised: Recognise) -> str | None:
    """The name of a body of text that stands for a picture."""
    if head.startswith((2 * REPLACED, REPLACED + b"PNG")):
        return "a picture that was read as text, which has replaced its bytes: read and send it as bytes"
    text = head.strip(b" \t\r\n\"'")
    if _URL_SAFE.fullmatch(text) and recognised(_decoded(text)):
        return _BASE64_TEXT
    return next((what for pattern, what in _TEXTS if pattern.fullmatch(text)), None)


def _decoded(text: bytes) -> bytes:
    """The first bytes of a text in Base64 with `-` and `_`."""
    letters = text[:DECODED].translate(bytes.maketrans(b"-_", b"+/"))
    with suppress(binascii.Error):
        return binascii.a2b_base64(letters[: len(letters) // 4 * 4])
    return b""


def inside(head: bytes, rows: tuple[tuple[bytes, int, bytes, str], ...]) -> str | None:
    """The name in the row that fits the first bytes; None where none fits."""
    return next(
        (what for start, at, mark, what in rows if head.startswith(start) and head[at : at + len(mark)] == mark), None
    )
