"""The structure of an ISO media file: its brands, boxes, items and samples.

The layouts are those of ISO/IEC 14496-12 (boxes, brands, tracks and items) and ISO/IEC 23008-12 (sizes of items).
"""

from __future__ import annotations

import struct
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from itertools import islice

from imgsrv.imaging.model.limits import Size

MOST_BOXES = 4096
"""Boxes of one file or box that are walked over."""

MOST_STEPS = 200_000
"""Most boxes, items and samples that are read, in a third of a second.  A picture of 100 megapixels has some 1,000."""

LARGE_BOX = 1
"""A size that says that the true one follows in 64 bits."""

IN_FILE, IN_ITEM_DATA = 0, 1
"""Where the data of an item is: at positions in the file, or in the box `idat`."""

Part = tuple[int, int]
"""The positions in a file where something begins and ends."""


def has_brand(head: bytes, known: Container[bytes]) -> bool:
    """The file that begins with `head` names one of the brands, as its own or as one that it is compatible with."""
    if head[4:8] != b"ftyp":
        return False
    box = head[8 : int.from_bytes(head[:4], "big")]
    return box[:4] in known or any(box[at : at + 4] in known for at in range(8, len(box), 4))


def is_of_boxes(head: bytes) -> bool:
    """The file that begins with `head` has brands.  Pillow shows a reader 16 bytes, too few for all of them."""
    return head[4:8] == b"ftyp"


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Type of each box in a part of a file, and the positions where its content begins and ends."""
    last = len(data) if end is None else min(end, len(data))
    at = start
    for _ in range(MOST_BOXES):
        if at + 8 > last:
            return
        size, kind = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if size == LARGE_BOX:
            (size,) = struct.unpack_from(">Q", data, start)
            start += 8
        stop = last if size == 0 else at + size
        if stop < start:
            return
        yield kind, start, min(stop, last)
        at = stop


@dataclass(slots=True)
class Item:
    """A picture in a file.  size: that of the container; None if it has none.  parts: of the file, in this order.

    made_of: the numbers of the items from which it is put together; one may be there several times.
    """

    kind: bytes = b""
    size: Size | None = None
    parts: list[Part] = field(default_factory=list)
    made_of: list[int] = field(default_factory=list)


class Steps:
    """Counts what is read of a file, so that a hostile one takes no longer than a good one."""

    def __init__(self) -> None:
        self._left = MOST_STEPS

    def take(self) -> None:
        """Count one.  Raises SyntaxError beyond MOST_STEPS."""
        self._left -= 1
        if self._left < 0:
            raise SyntaxError(f"it has more than {MOST_STEPS:,} parts")


class Cursor:
    """Reads numbers from a part of a file, highest byte first.  Raises struct.error beyond its end."""

    def __init__(self, data: bytes, part: Part) -> None:
        self._data, (self._at, self._end) = data, part

    def take(self, count: int) -> int:
        """The number in so many bytes."""
        if self._at + count > self._end:
            raise struct.error("a box of it is too short")
        self._at += count
        return int.from_bytes(self._data[self._at - count : self._at], "big")


class IsoMedia:
    """The coded pictures of a file.

    Raises struct.error or LookupError for a file that is broken, and SyntaxError for one with too many parts.
    """

    def __init__(self, data: bytes, steps: Steps) -> None:
        self.data, self._steps = data, steps

    def contents(self, part: Part, *path: bytes) -> Iterator[Part]:
        """The content of each box that lies at the path of box types."""
        for kind, start, end in boxes(self.data, *part):
            self._steps.take()
            if kind == path[0]:
                if len(path) == 1:
                    yield start, end
                else:
                    yield from self.contents((start, end), *path[1:])

    def times(self, count: int) -> Iterator[None]:
        """So many steps."""
        for _ in range(count):
            self._steps.take()
            yield

    # ---- items ---------------------------------------------------------------------------------------

    def items(self) -> dict[int, Item]:
        """The items of the file, by their numbers."""
        found: dict[int, Item] = {}
        for start, end in self.contents((0, len(self.data)), b"meta"):
            meta = (start + 4, end)
            for part in self.contents(meta, b"iinf"):
                self._read_kinds(part, found)
            for part in self.contents(meta, b"iprp"):
                self._read_sizes(part, found)
            item_data = next(self.contents(meta, b"idat"), (0, 0))
            for part in self.contents(meta, b"iloc"):
                self._read_parts(part, item_data, found)
            for part in self.contents(meta, b"iref"):
                self._read_references(part, found)
        return found

    def primary(self) -> int:
        """The number of the item that is the picture; 0 if the file names none."""
        for start, end in self.contents((0, len(self.data)), b"meta"):
            for part in self.contents((start + 4, end), b"pitm"):
                cursor = Cursor(self.data, part)
                version = cursor.take(1)
                cursor.take(3)
                return cursor.take(4 if version else 2)
        return 0

    def properties(self, number: int) -> Iterator[tuple[bytes, Part]]:
        """The type and the content of each property of an item, in the order in which they apply."""
        for start, end in self.contents((0, len(self.data)), b"meta"):
            for part in self.contents((start + 4, end), b"iprp"):
                known = [
                    (kind, (start, end))
                    for container in self.contents(part, b"ipco")
                    for kind, start, end in boxes(self.data, *container)
                    for _ in self.times(1)
                ]
                for item, which in self._associations(part):
                    if item == number and 0 < which <= len(known):
                        yield known[which - 1]

    def _read_kinds(self, part: Part, found: dict[int, Item]) -> None:
        """The type of each item, from `iinf`."""
        wide = 2 if self.data[part[0]] == 0 else 4
        for entry in self.contents((part[0] + 4 + wide, part[1]), b"infe"):
            cursor = Cursor(self.data, entry)
            version = cursor.take(1)
            cursor.take(3)
            number = cursor.take(2 if version == 2 else 4)  # noqa: PLR2004  the version
            cursor.take(2)
            found.setdefault(number, Item()).kind = cursor.take(4).to_bytes(4, "big")

    def _read_sizes(self, part: Part, found: dict[int, Item]) -> None:
        """The size of each item, from `iprp`."""
        sizes: dict[int, Size] = {}
        for container in self.contents(part, b"ipco"):
            for number, (kind, start, end) in enumerate(boxes(self.data, *container), 1):
                self._steps.take()
                if kind == b"ispe":
                    cursor = Cursor(self.data, (start + 4, end))
                    sizes[number] = cursor.take(4), cursor.take(4)
        for number, which in self._associations(part):
            item = found.setdefault(number, Item())
            item.size = item.size or sizes.get(which)

    def _associations(self, part: Part) -> Iterator[tuple[int, int]]:
        """The number of an item and of a property of it, counted from 1, for each property of each item."""
        for entry in self.contents(part, b"ipma"):
            cursor = Cursor(self.data, entry)
            version, flags = cursor.take(1), cursor.take(3)
            wide = 2 if flags & 1 else 1
            for _ in self.times(cursor.take(4)):
                number = cursor.take(2 if version < 1 else 4)
                for _ in self.times(cursor.take(1)):
                    # The highest bit says that a reader must understand the property.
                    yield number, cursor.take(wide) & (1 << 8 * wide - 1) - 1

    def _read_references(self, part: Part, found: dict[int, Item]) -> None:
        """The items from which others are put together, from `iref`."""
        wide = 2 if self.data[part[0]] == 0 else 4
        for entry in self.contents((part[0] + 4, part[1]), b"dimg"):
            cursor = Cursor(self.data, entry)
            item = found.setdefault(cursor.take(wide), Item())
            item.made_of += [cursor.take(wide) for _ in self.times(cursor.take(2))]

    def _read_parts(self, part: Part, item_data: Part, found: dict[int, Item]) -> None:
        """Where the data of each item is, from `iloc`."""
        cursor = Cursor(self.data, part)
        version = cursor.take(1)
        cursor.take(3)
        widths = cursor.take(2)
        offset_bytes, length_bytes, base_bytes = widths >> 12, widths >> 8 & 15, widths >> 4 & 15
        index_bytes = widths & 15 if version else 0
        wide = 2 if version < 2 else 4  # noqa: PLR2004  the version
        for _ in self.times(cursor.take(wide)):
            item = found.setdefault(cursor.take(wide), Item())
            method = cursor.take(2) & 15 if version else IN_FILE
            cursor.take(2)
            base = cursor.take(base_bytes)
            origin, last = item_data if method == IN_ITEM_DATA else (0, len(self.data))
            for _ in self.times(cursor.take(2)):
                cursor.take(index_bytes)
                start = origin + base + cursor.take(offset_bytes)
                length = cursor.take(length_bytes)
                item.parts.append((min(start, last), min(start + length, last) if length else last))

    # ---- tracks --------------------------------------------------------------------------------------

    def tracks(self, kind: bytes) -> Iterator[Iterator[Part]]:
        """The places of the samples of each track whose samples are of that type."""
        for table in self.contents((0, len(self.data)), b"moov", b"trak", b"mdia", b"minf", b"stbl"):
            kinds = [
                found for start, end in self.contents(table, b"stsd") for found, *_ in boxes(self.data, start + 8, end)
            ]
            if kind in kinds:
                yield self._samples(table)

    def _samples(self, table: Part) -> Iterator[Part]:
        """The place of each sample, from the boxes with the sizes, the runs of chunks and their positions."""
        sizes, runs = self._sizes(table), self._runs(table)
        run, following = next(runs, (1, 0)), next(runs, None)
        for number, chunk in enumerate(self._chunks(table), 1):
            at = chunk
            while following and following[0] <= number:
                run, following = following, next(runs, None)
            for size in islice(sizes, run[1]):
                yield at, min(at + size, len(self.data))
                at += size

    def _sizes(self, table: Part) -> Iterator[int]:
        for start, end in self.contents(table, b"stsz"):
            cursor = Cursor(self.data, (start + 4, end))
            same, count = cursor.take(4), cursor.take(4)
            for _ in self.times(count):
                yield same or cursor.take(4)

    def _runs(self, table: Part) -> Iterator[tuple[int, int]]:
        """The first chunk of each run of chunks, and the samples in each chunk."""
        for start, end in self.contents(table, b"stsc"):
            cursor = Cursor(self.data, (start + 4, end))
            for _ in self.times(cursor.take(4)):
                yield cursor.take(4), cursor.take(4)
                cursor.take(4)

    def _chunks(self, table: Part) -> Iterator[int]:
        """The position of each chunk."""
        for kind, wide in ((b"stco", 4), (b"co64", 8)):
            for start, end in self.contents(table, kind):
                cursor = Cursor(self.data, (start + 4, end))
                for _ in self.times(cursor.take(4)):
                    yield cursor.take(wide)
