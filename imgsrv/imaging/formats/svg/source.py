"""The text of a drawing from the bytes of its file, and whether a file begins like a drawing."""

from __future__ import annotations

import re
import zlib
from contextlib import suppress

from imgsrv.errors import Undecodable

NAME = "svg"

MOST_BYTES = 8 << 20
"""Largest text of a drawing, packed or not; the limit on what its entities expand to is derived from it."""

MOST_RATIO, FREE_BYTES = 32, 1 << 16
"""A packed drawing may unpack to so many times its bytes, and to so many bytes in any case."""

SIMPLIFY = "make it simpler, or send it as a PNG"
RE_ENCODE = "write it in UTF-8"
"""Advice for a drawing that other programs open."""

GZIP = b"\x1f\x8b\x08"

WITH_HEADER = zlib.MAX_WBITS | 16
"""The window for zlib that makes it read gzip."""

PACKED_STEP = 64
"""Bytes of a beginning that are unpacked at once."""

UTF_8_MARK = b"\xef\xbb\xbf"

UTF_16 = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"<\0": "utf-16-le", b"\0<": "utf-16-be"}
"""How a text in UTF-16 begins: with a byte order mark, or with the first character."""

DECLARED = re.compile(rb"<\?xml\s[^>]{0,100}?encoding\s{0,9}=\s{0,9}[\"']([A-Za-z0-9._-]{1,40})[\"']")
"""The encoding in the declaration at the beginning of a text."""

UNICODE = ("utf-8", "utf8", "utf-16", "us-ascii", "ascii")
"""Declared encodings of a text that is UTF-8, or cannot be what it declares because it has no byte order mark."""

ENCODINGS = {
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "iso-8859-9": "cp1254",
    **{name: name for name in ("iso-8859-2", "iso-8859-5", "iso-8859-7", "iso-8859-15", "koi8-r", "koi8-u")},
    **{name: name for name in ("shift_jis", "euc-jp", "euc-kr", "big5", "gb2312", "gbk", "gb18030")},
    **{f"windows-{page}": f"cp{page}" for page in range(1250, 1259)},
}
"""Python's names of other encodings.  Those of ISO 8859-1 and 8859-9 mean a superset, as in the Encoding Standard."""

TAG = re.compile(rb"<([A-Za-z_][\w.-]{0,63}:)?([\w.-]{1,64})([\s/>])?")
"""The beginning of an element: its prefix, its name, and what ends the name if that is there."""

LEAST_HEAD = 500
"""Characters of a beginning that may end before the root element; a shorter one is the whole file."""

SKIPPED = ((b"<?", b"?>"), (b"<!--", b"-->"))
"""Beginnings of parts that may stand before the root element, with their ends; a document type is read by itself."""


def text_of(data: bytes) -> bytes:
    """The text of a drawing in UTF-8 without a byte order mark.  Raises Undecodable."""
    if data.startswith(GZIP):
        data = _unpacked(data)
    if len(data) > MOST_BYTES:
        raise Undecodable(NAME, f"it has {len(data):,} bytes and the limit is {MOST_BYTES:,}", SIMPLIFY)
    encoding = UTF_16.get(data[:2]) or _declared(data)
    if encoding is None:
        return data.removeprefix(UTF_8_MARK)
    try:
        text = data.decode(encoding).encode()
    except UnicodeError as error:
        raise Undecodable(NAME, f"its text is not the {encoding} that it says it is", RE_ENCODE) from error
    if len(text) > MOST_BYTES:
        raise Undecodable(NAME, f"it has {len(text):,} bytes in UTF-8 and the limit is {MOST_BYTES:,}", SIMPLIFY)
    return text


def begins(head: bytes) -> bool:
    """Whether the first bytes of a file are those of a drawing: its root element is svg, or does not come yet."""
    if head.startswith(GZIP):
        head = _beginning(head)
    encoding = UTF_16.get(head[:2])
    text = head.decode(encoding, "ignore").encode() if encoding else head.removeprefix(UTF_8_MARK)
    text = text.lstrip()
    if not text.startswith(b"<"):
        return False
    root = _root(text)
    return root == b"svg" or (root is None and len(text) >= LEAST_HEAD)


def may_begin(prefix: bytes) -> bool:
    """Whether a file with so few first bytes may be a drawing."""
    is_packed = prefix.startswith((GZIP, b"\xff\xfe", b"\xfe\xff", b"\0<"))
    return is_packed or prefix.removeprefix(UTF_8_MARK).lstrip().startswith(b"<")


def _unpacked(data: bytes) -> bytes:
    most = min(MOST_BYTES, MOST_RATIO * len(data) + FREE_BYTES)
    unpacker = zlib.decompressobj(WITH_HEADER)
    try:
        text = unpacker.decompress(data, most + 1)
    except zlib.error as error:
        raise Undecodable(NAME, "it cannot be unpacked") from error
    if len(text) > most:
        raise Undecodable(NAME, f"it unpacks to more than {most:,} bytes", SIMPLIFY)
    if not unpacker.eof:
        raise Undecodable(NAME, "it is cut off")
    return text


def _beginning(head: bytes) -> bytes:
    """The first unpacked bytes, up to the first that cannot be unpacked."""
    unpacker, text = zlib.decompressobj(WITH_HEADER), b""
    with suppress(zlib.error):
        for at in range(0, len(head), PACKED_STEP):
            text += unpacker.decompress(head[at : at + PACKED_STEP], 2 * LEAST_HEAD)
    return text


def _declared(data: bytes) -> str | None:
    """Python's name of the encoding that a text declares; None for UTF-8.  Raises Undecodable."""
    found = DECLARED.match(data.lstrip()[:200] if data[:1].isspace() else data[:200])
    name = found[1].decode().lower() if found else ""
    if not name or name in UNICODE or data.startswith(UTF_8_MARK):
        return None
    if name not in ENCODINGS:
        raise Undecodable(NAME, f"its text is in the encoding {name}, which is not read", RE_ENCODE)
    return ENCODINGS[name]


def _root(text: bytes) -> bytes | None:
    """The name of the root element without its prefix, in lower case; None where it does not come yet."""
    while True:
        text = text.lstrip()
        end = next((last for first, last in SKIPPED if text.startswith(first)), None)
        if end is not None:
            _, found, text = text.partition(end)
        elif text[:9].upper() == b"<!DOCTYPE":
            kind = text[9:].split(maxsplit=1)[:1]
            if kind and kind[0].partition(b">")[0].rpartition(b":")[2].lower() != b"svg":
                return kind[0].lower()
            # Behind a document type there is an element of its name.
            return b"svg" if kind else None
        else:
            return _tag(text)
        if not found:
            return None


def _tag(text: bytes) -> bytes | None:
    found = TAG.match(text)
    if found is None:
        return None if len(text) <= 1 else b""
    return found[2].lower() if found[3] else None
