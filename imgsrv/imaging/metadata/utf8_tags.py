"""EXIF whose texts have the type UTF-8 of Exif 3.0 (CIPA DC-008-2023), which Pillow does not know and leaves out."""

from __future__ import annotations

import struct

UTF8, ASCII = 129, 2
"""Types of tags."""

DIRECTORIES = (0x8769, 0x8825)
"""Tags of the main directory that point to those of exposure and place."""

MARK = b"Exif\0\0"


def with_plain_texts(exif: bytes) -> bytes:
    """The data with the type ASCII in place of UTF-8; the same object where no tag has that type.

    The bytes of the texts stay what they are.  Broken EXIF is left alone.
    """
    start = len(MARK) if exif.startswith(MARK) else 0
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[start : start + 4])
    if order is None or len(exif) < start + 8:
        return exif
    found = bytearray(exif)
    below = _rewrite(found, start, _number(found, order, start + 4), order)
    for offset in below:
        _rewrite(found, start, offset, order)
    return exif if found == exif else bytes(found)


def _number(data: bytearray, order: str, at: int) -> int:
    return int(struct.unpack_from(f"{order}I", data, at)[0])


def _rewrite(data: bytearray, start: int, offset: int, order: str) -> list[int]:
    """Change the types of one directory; gives the offsets of those below it.

    start: of the TIFF header, from which offsets count.
    """
    at = start + offset
    if at + 2 > len(data):
        return []
    (count,) = struct.unpack_from(f"{order}H", data, at)
    below = {}
    for entry in range(at + 2, min(at + 2 + 12 * count, len(data) - 11), 12):
        tag, kind = struct.unpack_from(f"{order}HH", data, entry)
        if kind == UTF8:
            struct.pack_into(f"{order}H", data, entry + 2, ASCII)
        if tag in DIRECTORIES:
            below[tag] = _number(data, order, entry + 8)
    return list(below.values())
