"""The scans of a JPEG that Pillow does not finish: where they end, and whether every block of pixels is there.

A camera that writes a video behind a photograph may leave out the end marker, and a browser shows such a file.  Pillow
reads on until the file ends and then refuses it.  libjpeg warns of blocks that are missing, but Pillow hides that, so
the file is decoded with several ends: blocks that are not there take their pixels from what stands in their place.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, NamedTuple

from PIL import Image

from imgsrv.imaging.model.limits import Data

START, END = b"\xff\xd8", b"\xff\xd9"

SCAN, RESTART = 0xDA, 0xDD
PROGRESSIVE_FRAMES = (0xC2, 0xC6, 0xCA, 0xCE)
FRAME_MARKERS = frozenset({0xC0, 0xC1, 0xC3, 0xC5, 0xC7, 0xC9, 0xCB, 0xCD, 0xCF, *PROGRESSIVE_FRAMES})
TABLES = frozenset({0xC4, 0xCC, 0xDB, 0xDC, RESTART, 0xFE, *range(0xE0, 0xF0)})
BEFORE_SCANS = FRAME_MARKERS | TABLES
"""Second bytes of markers (ITU-T T.81, table B.1).

TABLES: of segments that may stand between scans.  BEFORE_SCANS: of those in front of the first scan.
"""

LOSSLESS_FRAME = 0xC3

UNREAD_FRAMES = {
    **dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), "a hierarchical JPEG"),
    0xCB: "a lossless JPEG with arithmetic coding",
}
"""Kinds of frames that libjpeg does not read."""

MOST_SEGMENTS, MOST_SCANS = 10_000, 100
"""A profile of 16 MB has 255 segments, and an encoder makes about ten scans."""

FRAME_BYTES, COMPONENT_BYTES = 6, 3
"""Bytes of a frame header: bits, height, width and number of components; and then of each component."""

BLOCK, COEFFICIENTS = 8, 64
"""Pixels along a side of a block, and its coefficients."""

_FILL = re.compile(rb"\xff+")
"""Before the second byte of a marker there may be any number of these."""

_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""A marker that ends the data of a scan; 0 is a data byte of 255, and D0 to D7 restart the decoder."""

_RESTART = re.compile(rb"\xff[\xd0-\xd7]")

_SCAN_HEADER = re.compile(rb"\xff\xda\x00(?:\x08\x01|\x0a\x02|\x0c\x03|\x0e\x04)")
"""The length of a scan header fits its number of components: so it stands by chance in no video behind a picture."""

NOISES = tuple(
    bytes.fromhex(text) * 4 for text in ("959ac5e117 4fd02886 b371ca0d 6ee4521f", "6a95c873 4e60db89 2d7ab613 8fe25d3b")
)
"""Data of no picture.  They begin with unlike bits: where no block is complete, one of them changes it."""

TRIALS = 1 + len(NOISES)
"""How often `completed` decodes a file."""

SMALLEST_SCALE, BAND_ROWS = 8, 256


@dataclass(slots=True)
class _Frame:
    """A frame header, and what the scans behind it have left open.

    factors: samples across and down for each component.  missing: for each component of a progressive JPEG, the lowest
    bits of each coefficient that no scan had yet; for another JPEG, [1] until its scan has come.
    """

    size: tuple[int, int]
    is_progressive: bool
    factors: dict[int, tuple[int, int]]
    missing: dict[int, list[int]]

    def blocks(self, components: list[int]) -> int:
        """The units of a scan, of which an interval of restarts has a number (ITU-T T.81, A.2)."""
        across = max(x for x, _ in self.factors.values())
        down = max(y for _, y in self.factors.values())
        width, height = self.size
        if len(components) > 1:
            return -(-width // (BLOCK * across)) * -(-height // (BLOCK * down))
        x, y = self.factors[components[0]]
        columns, rows = -(-width * x // across), -(-height * y // down)
        return -(-columns // BLOCK) * -(-rows // BLOCK)


@dataclass(slots=True)
class Scans:
    """The facts in the segments of a JPEG.

    start, end: of the data of the last scan; 0 where there is none.  has_end: the end marker follows.
    components: of the last scan.  interval: units between its restarts, 0 without restarts.
    """

    start: int = 0
    end: int = 0
    has_end: bool = False
    frame: _Frame | None = None
    components: list[int] = field(default_factory=list)
    interval: int = 0

    def are_all(self, data: bytes) -> bool:
        """Scans of all components are there, each to its last bit, and the last one has all of its restarts."""
        if not self.frame or not self.components or any(any(bits) for bits in self.frame.missing.values()):
            return False
        if not self.interval:
            return True
        wanted = -(-self.frame.blocks(self.components) // self.interval) - 1
        return sum(1 for _ in _RESTART.finditer(data, self.start, self.end)) >= wanted


def read_scans(data: bytes) -> Scans:
    """The scans of a JPEG, read up to what is no part of it."""
    found = Scans()
    at = len(START)
    scans = 0
    for _ in range(MOST_SEGMENTS):
        fill = _FILL.match(data, at)
        if fill is None:
            return found
        at = fill.end() - 1
        if data[at : at + 2] == END:
            found.has_end = found.end > 0
            return found
        head = data[at + 1 : at + 4]
        length = int.from_bytes(head[1:], "big")
        segment = data[at + 4 : at + 2 + length]
        if len(head) < len("mll") or len(segment) != length - 2 or not _takes(found, head[0], segment):
            return found
        at += 2 + length
        if head[0] == SCAN:
            scans += 1
            if scans > MOST_SCANS:
                return Scans()
            behind = _MARKER.search(data, at)
            found.start, found.end = at, behind.start() if behind else len(data)
            at = found.end
    return Scans()


def has_too_many_scans(data: Data) -> bool:
    """True for more scans than any encoder makes: each can have few bytes and take the time of a whole picture."""
    return sum(1 for _ in islice(_SCAN_HEADER.finditer(data), MOST_SCANS + 1)) > MOST_SCANS


def _takes(found: Scans, kind: int, segment: bytes) -> bool:
    """Add a segment to what is known; False for one that cannot stand here."""
    if kind in FRAME_MARKERS:
        found.frame = _read_frame(kind, segment) if found.frame is None else None
        return found.frame is not None
    if kind == SCAN:
        return found.frame is not None and _takes_scan(found, found.frame, segment)
    if kind == RESTART:
        found.interval = int.from_bytes(segment[:2], "big")
    return kind in TABLES


def _read_frame(kind: int, segment: bytes) -> _Frame | None:
    components = segment[FRAME_BYTES:]
    if not components or len(components) % COMPONENT_BYTES:
        return None
    factors = {
        one: (both >> 4 or 1, both & 15 or 1) for one, both in zip(components[::3], components[1::3], strict=True)
    }
    is_progressive = kind in PROGRESSIVE_FRAMES
    bits = [COEFFICIENTS] * COEFFICIENTS if is_progressive else [1]
    size = int.from_bytes(segment[3:5], "big"), int.from_bytes(segment[1:3], "big")
    return _Frame(size, is_progressive, factors, {component: list(bits) for component in factors})


def _takes_scan(found: Scans, frame: _Frame, segment: bytes) -> bool:
    count = segment[0] if segment else 0
    components = list(segment[1 : 1 + 2 * count : 2])
    if not count or len(segment) != 4 + 2 * count or not frame.missing.keys() >= set(components):
        return False
    found.components = components
    first, last, bits_left = segment[-3], min(segment[-2], COEFFICIENTS - 1), segment[-1] & 15
    for component in components:
        if not frame.is_progressive:
            frame.missing[component] = [0]
            continue
        for index in range(first, last + 1):
            frame.missing[component][index] = bits_left
    return True


class FrameKind(NamedTuple):
    """Facts of a frame header.  marker: its second byte.  bits: of a sample.  height: 0 where a DNL segment has it."""

    marker: int
    bits: int
    height: int
    components: int


def find_segments(data: Data | bytearray) -> Iterator[tuple[int, int, int]]:
    """The segments in front of the first scan: the second byte of the marker, and where its data begin and end."""
    at = len(START)
    for _ in range(MOST_SEGMENTS):
        head = bytes(data[at : at + 4])
        if len(head) < len("\xffmll") or head[0] != 0xFF:  # noqa: PLR2004
            return
        if head[1] == 0xFF:  # noqa: PLR2004
            at += 1
            continue
        end = at + 2 + int.from_bytes(head[2:], "big")
        if end < at + len(head) or end > len(data) or head[1] not in BEFORE_SCANS:
            return
        yield head[1], at + len(head), end
        at = end


def read_frame_kind(file: IO[bytes]) -> FrameKind | None:
    """The kind of a JPEG by its frame header; None where there is no such header."""
    at = len(START)
    for _ in range(MOST_SEGMENTS):
        file.seek(at)
        head = file.read(4 + FRAME_BYTES)
        if len(head) < 4 + FRAME_BYTES or head[0] != 0xFF:  # noqa: PLR2004
            return None
        if head[1] in FRAME_MARKERS:
            return FrameKind(head[1], head[4], int.from_bytes(head[5:7], "big"), head[9])
        if head[1] == 0xFF:  # noqa: PLR2004
            at += 1
        elif head[1] in TABLES:
            at += 2 + int.from_bytes(head[2:4], "big")
        else:
            return None
    return None


def with_end(data: bytes) -> bytes | None:
    """The file up to the end of its last scan, with an end marker; None where it has one or has no scan."""
    scans = read_scans(data)
    return _body(data, scans) + END if scans.end and not scans.has_end else None


def completed(data: bytes) -> bytes | None:
    """The file with the end marker that it lacks; None where it lacks anything else, but for bits of its last block.

    Decodes the file three times.  Raises what Pillow raises for a broken JPEG.
    """
    scans = read_scans(data)
    if not scans.end or scans.has_end or not scans.are_all(data):
        return None
    body = _body(data, scans)
    shown = _digest(body + END)
    return body + END if all(_digest(body + noise + END) == shown for noise in NOISES) else None


def is_short(data: bytes) -> bool:
    """True for a file whose scan is cut, although an end marker follows; libjpeg fills what is missing with grey.

    Decodes the file three times at an eighth of its size.  Raises what Pillow raises for a broken JPEG.
    """
    scans = read_scans(data)
    if not scans.end or not scans.has_end:
        return False
    body = _body(data, scans)
    shown = _digest(body + END, SMALLEST_SCALE)
    return any(_digest(body + noise + END, SMALLEST_SCALE) != shown for noise in NOISES)


def _body(data: bytes, scans: Scans) -> bytes:
    # The file may be cut between the two bytes of a marker.
    return data[: scans.end].rstrip(b"\xff")


def _digest(data: bytes, scale: int = 1) -> int:
    """A number that differs for different pixels.  scale: its denominator."""
    with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
        if scale > 1:
            image.draft(None, (max(1, image.width // scale), max(1, image.height // scale)))
        image.load()
        found = 0
        for top in range(0, image.height, BAND_ROWS):
            band = image.crop((0, top, image.width, min(image.height, top + BAND_ROWS)))
            found = zlib.crc32(band.tobytes(), found)
        return found
