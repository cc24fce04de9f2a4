"""Inputs near good ones: bytes turned, dropped, doubled, moved, spliced, or replaced by what breaks readers."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from random import Random

MOST_BYTES = 20_000
"""Longest input that is made."""

MOST_EDITS = 6

NUMBERS = (
    b"0",
    b"-1",
    b"1e999",
    b"nan",
    b"65536",
    b"4294967296",
    b"9" * 5000,
    b"0" * 400 + b"1",
    b".",
    b"1_0",
    b"\xb2",
)
WORDS = (
    b"",
    b"\0",
    b"\xff",
    b" ",
    b"\n",
    b"\r\n",
    b'"',
    b"\\",
    b"%",
    b";",
    b",",
    b"\xc2\x85",
    b"\xe2\x80\xa8",
    b"\xed\xa0\x80",
)
SIZES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def mutated(data: bytes, other: bytes, words: Sequence[bytes], random: Random) -> bytes:
    """The data after one to MOST_EDITS edits.  other: what it may be spliced with.  words: of the reader's language."""
    for _ in range(random.randint(1, MOST_EDITS)):
        data = random.choice(EDITS)(data, other, words, random)[:MOST_BYTES]
    return data


def _cut(data: bytes, random: Random) -> tuple[int, int]:
    """Two places of the data, most of the time close to each other."""
    at = random.randint(0, len(data))
    return at, min(len(data), at + random.choice((0, 1, 1, 2, 4, 8, 16, len(data))))


def _turn(data: bytes, _other: bytes, _words: Sequence[bytes], random: Random) -> bytes:
    at = random.randint(0, max(0, len(data) - 1))
    return data[:at] + bytes([(data[at] if data else 0) ^ (1 << random.randint(0, 7))]) + data[at + 1 :]


def _byte(data: bytes, _other: bytes, _words: Sequence[bytes], random: Random) -> bytes:
    at = random.randint(0, len(data))
    return data[:at] + bytes([random.randint(0, 255)]) + data[at + random.randint(0, 1) :]


def _drop(data: bytes, _other: bytes, _words: Sequence[bytes], random: Random) -> bytes:
    at, end = _cut(data, random)
    return data[:at] + data[end:]


def _end(data: bytes, _other: bytes, _words: Sequence[bytes], random: Random) -> bytes:
    return data[: random.randint(0, len(data))]


def _repeat(data: bytes, _other: bytes, _words: Sequence[bytes], random: Random) -> bytes:
    at, end = _cut(data, random)
    return data[:at] + data[at:end] * random.choice((2, 2, 3, 17, 300)) + data[end:]


def _move(data: bytes, _other: bytes, _words: Sequence[bytes], random: Random) -> bytes:
    (at, end), to = _cut(data, random), random.randint(0, len(data))
    rest = data[:at] + data[end:]
    return rest[:to] + data[at:end] + rest[to:]


def _splice(data: bytes, other: bytes, _words: Sequence[bytes], random: Random) -> bytes:
    (at, end), (from_, to) = _cut(data, random), _cut(other, random)
    return data[:at] + other[from_:to] + data[end:]


def _word(data: bytes, _other: bytes, words: Sequence[bytes], random: Random) -> bytes:
    at, end = _cut(data, random)
    return data[:at] + random.choice((*words, *words, *WORDS)) + data[random.choice((at, end)) :]


def _number(data: bytes, _other: bytes, _words: Sequence[bytes], random: Random) -> bytes:
    """Replace a number that is spelled out."""
    found = list(re.finditer(rb"[0-9]++", data[:2000]))
    if not found:
        return data
    at, end = random.choice(found).span()
    return data[:at] + random.choice(NUMBERS) + data[end:]


def _size(data: bytes, _other: bytes, _words: Sequence[bytes], random: Random) -> bytes:
    """Write a number in 2, 4 or 8 bytes."""
    kind = random.choice((">H", "<H", ">I", "<I", ">Q"))
    width = struct.calcsize(kind)
    value = random.choice((*SIZES, len(data), random.randint(0, 300))) & (1 << 8 * width) - 1
    at = random.randint(0, len(data))
    return data[:at] + struct.pack(kind, value) + data[at + width :]


Edit = Callable[[bytes, bytes, Sequence[bytes], Random], bytes]

EDITS: tuple[Edit, ...] = (_turn, _byte, _drop, _end, _repeat, _move, _splice, _word, _word, _number, _size)


FOUND: dict[str, tuple[bytes, ...]] = {
    ".cube": (b"LUT_3D_SIZE 2\n" + b"1e300 0 0\n" * 8,),
    "bitstream of an AVIF": (b"\x0a\0" * 100,),
    "job": (
        b'{"kind": "describe", "request_id": "id", "input": [0, 1e999, {}], "include": ["palette"]}',
        b'{"kind": "describe", "request_id": "id", "input": [-1, 1, {}], "include": ["palette"]}',
    ),
    "names of outputs": (b'[{"name": "a", "\\ud800": 1}]',),
    "SVG": (b'<svg width="1e-320" viewBox="0 0 1e8 1e8"/>',),
    "XMP": (b"<dc:title>&#" + b"1" * 5000 + b";</dc:title>",),
}
"""Inputs that fuzzing has found, by the name of their reader: each broke its reader once, and harms nothing else."""
