"""The index of the pictures in a JPEG (MPF, CIPA DC-007, clause 5): a small TIFF in a segment of the first picture."""

from __future__ import annotations

import struct
from typing import NamedTuple

SIGNATURE = b"MPF\0"

ENTRIES = 0xB002

ENTRY_BYTES = 16

MOST_TAGS, MOST_PICTURES = 32, 16
"""More tags and more pictures are not looked at."""

LITTLE, BIG = b"II*\0", b"MM\0*"

JPEG_PRIMARY = 0x030000
"""Attributes of a base picture (clause 5.2.3.3.1); those of a gain map are 0, undefined."""


class Place(NamedTuple):
    """Where a further picture stands.  start: behind the first byte of the index's TIFF."""

    start: int
    length: int


def read_index(data: bytes) -> list[Place]:
    """The places of the pictures behind the first one, from the TIFF of an index.  Raises SyntaxError."""
    order = {LITTLE: "<", BIG: ">"}.get(data[:4])
    if order is None:
        raise SyntaxError("the index of its pictures is not valid")
    try:
        at = struct.unpack_from(f"{order}I", data, 4)[0]
        tags = min(struct.unpack_from(f"{order}H", data, at)[0], MOST_TAGS)
        for number in range(tags):
            tag, _kind, size, value = struct.unpack_from(f"{order}HHII", data, at + 2 + 12 * number)
            if tag == ENTRIES:
                count = min(size // ENTRY_BYTES, MOST_PICTURES)
                found = [struct.unpack_from(f"{order}III", data, value + ENTRY_BYTES * one) for one in range(1, count)]
                return [Place(start, length) for _attributes, length, start in found]
    except struct.error as error:
        raise SyntaxError("the index of its pictures is cut off") from error
    return []


def written_index(first_bytes: int, second: Place) -> bytes:
    """The TIFF of an index for two pictures.  first_bytes: length of the first one."""
    tags = 3
    entries_at = 8 + 2 + 12 * tags + 4
    return (
        BIG
        + struct.pack(">IH", 8, tags)
        + struct.pack(">HHI4s", 0xB000, 7, 4, b"0100")
        + struct.pack(">HHII", 0xB001, 4, 1, 2)
        + struct.pack(">HHII", ENTRIES, 7, 2 * ENTRY_BYTES, entries_at)
        + struct.pack(">I", 0)
        + struct.pack(">IIIHH", JPEG_PRIMARY, first_bytes, 0, 0, 0)
        + struct.pack(">IIIHH", 0, second.length, second.start, 0, 0)
    )


INDEX_BYTES = len(written_index(0, Place(0, 0)))
