"""PNG for Pillow, opened as browsers do: ancillary chunks that are broken or of no use are left out.

Pillow refuses a picture for the checksum of a comment, for a text above 1 MiB and for a profile above 1 MiB; it does
not know cICP, and compares a transparent colour with samples that it has scaled.  The sources are the PNG
specification, third edition (W3C, 2025), and what libpng makes of each broken chunk.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import IO, Any

import deflate
from PIL import Image, ImageFile, PngImagePlugin

from imgsrv.imaging.formats.format import MOST_BLOCKS
from imgsrv.imaging.formats.png_parts.colours import Colours

NAME = "IMGSRV PNG"
"""The name of this reader in Pillow."""

SIGNATURE = b"\x89PNG\r\n\x1a\n"

CHECKSUM_BYTES = 4

MOST_TEXT = 1 << 20
"""Bytes of a text that is read; Pillow has the same limit."""

READ_TEXTS = (b"XML:com.adobe.xmp", b"exif", b"Raw profile type exif")
"""Keywords of texts that are used; all other texts are left out, however large they are."""

PASSED = frozenset((b"tRNS", b"pHYs", b"eXIf", b"acTL", b"fcTL", b"tEXt", b"zTXt", b"iTXt"))
"""Ancillary chunks that Pillow is given."""

REPEATED = frozenset((b"acTL", b"fcTL"))
"""Those that Pillow or the reader of animations judges."""

TEXTS = frozenset((b"tEXt", b"zTXt", b"iTXt"))

GREY, RGB, PALETTE = 0, 2, 3
"""Colour types of pictures that may have a tRNS chunk (specification, 11.3.2)."""

TRNS_BYTES = {GREY: 2, RGB: 6}

PHYS_BYTES = 9

LATE = ("PLTE", "tRNS", "iCCP", "gAMA", "cHRM", "sRGB", "pHYs", "eXIf", "tEXt", "zTXt", "iTXt")
"""Chunks that say nothing any more behind the first pixels."""


class PngFile(PngImagePlugin.PngImageFile):
    """A PNG in Pillow.  `info` has the colours as `Colours` has them, and the transparent colour as it is compared."""

    def _open(self) -> None:
        colours = Colours()
        file = self.fp = _cleaned(self.fp, colours)  # type: ignore[arg-type]  # there is one while a file is opened
        super()._open()
        for kind in LATE:
            # Pillow looks for the method of each chunk by this name.
            setattr(self.png, f"chunk_{kind}", partial(_skip, file))
        self.info.update(colours.info())
        transparent = self.info.get("transparency")
        if transparent is not None and self.mode in ("1", "L", "RGB"):
            self.info["transparency"] = _compared(transparent, colours.depth)
        if self.png is not None:
            # An animation comes back to these when it is rewound.
            self.png.rewind_state.info.update(self.info)

    def load_end(self) -> None:
        """Read what stands behind the pixels, which may be cut off, or an animation whose chunks contradict another."""
        with suppress(OSError, SyntaxError):
            super().load_end()


def _skip(file: IO[bytes], _at: int, length: int) -> bytes:
    return ImageFile._safe_read(file, length)  # noqa: SLF001  it reads in pieces and reports a cut file


def accepts(head: bytes) -> bool:
    """Whether a file begins as a PNG."""
    return head.startswith(SIGNATURE)


def _compared(transparent: Any, depth: int) -> Any:
    """The transparent colour in the levels that Pillow makes of samples of that depth.

    Only so many bits of it count as a sample has (specification, 11.3.2.1).
    """
    # Pillow keeps the high byte of 16 bits; `sixteen.py` compares all of them.
    if not 1 <= depth <= 8:  # noqa: PLR2004
        return transparent
    top = (1 << depth) - 1
    if isinstance(transparent, tuple):
        return tuple(level & top for level in transparent)
    return (transparent & top) * 255 // top


def _cleaned(file: IO[bytes], colours: Colours) -> IO[bytes]:
    """The file without the chunks before the pixels that are broken or not used.

    colours: gets the chunks of colours.  Raises SyntaxError for too many chunks.
    """
    start = file.tell()
    signature = file.read(len(SIGNATURE))
    kept = [signature]
    known = set[bytes]()
    is_whole = True
    for kind, chunk in _chunks(file):
        head, data, checksum = chunk
        is_kept = _is_kept(kind, chunk, colours, known)
        if is_kept:
            kept += (head, data, checksum)
        is_whole &= is_kept
    if is_whole:
        file.seek(start)
        return file
    return _Joined(b"".join(kept), file, file.tell())  # type: ignore[return-value]  # what Pillow calls of a file


def _chunks(file: IO[bytes]) -> Iterator[tuple[bytes, tuple[bytes, bytes, bytes]]]:
    """Kind, and head, data and checksum, of the chunks before the pixels; the file stands behind the last one.

    They are read and not skipped, so that a CheckedFile sees them in order.
    """
    for _ in range(MOST_BLOCKS):
        at = file.tell()
        head = file.read(8)
        kind, length = head[4:], int.from_bytes(head[:4], "big")
        # Pillow reports what is no chunk, and a file that ends in one.
        if len(head) < 8 or kind in (b"IDAT", b"fdAT", b"IEND") or not _is_kind(kind):  # noqa: PLR2004
            file.seek(at)
            return
        data, checksum = file.read(length), file.read(CHECKSUM_BYTES)
        if len(data) < length or len(checksum) < CHECKSUM_BYTES:
            file.seek(at)
            return
        yield kind, (head, data, checksum)
    raise SyntaxError(f"it has more than {MOST_BLOCKS:,} chunks before its pixels")


def _is_kind(kind: bytes) -> bool:
    """The bytes that Pillow takes for the kind of a chunk."""
    return kind.replace(b"_", b"a").isalnum()


def _is_kept(kind: bytes, chunk: tuple[bytes, bytes, bytes], colours: Colours, known: set[bytes]) -> bool:
    """Whether Pillow gets the chunk.  known: kinds and keywords that came before."""
    _head, data, checksum = chunk
    if kind[:1].isupper():
        if kind == b"IHDR":
            colours.depth, colours.colour_type = data[8:10].ljust(2, b"\0")
        elif kind == b"PLTE":
            colours.palette_bytes = len(data)
        return True
    if deflate.crc32(data, deflate.crc32(kind)).to_bytes(CHECKSUM_BYTES, "big") != checksum:
        return False
    # The first chunk of each kind counts, and the first text of each keyword.
    key = b"text " + data.partition(b"\0")[0] if kind in TEXTS else kind
    is_first = key not in known
    known.add(key)
    if read := Colours.READERS.get(kind):
        if is_first:
            read(colours, data)
        return False
    return kind in PASSED and (is_first or kind in REPEATED) and _TESTS.get(kind, _is_any)(data, colours)


def _is_any(_data: bytes, _colours: Colours) -> bool:
    return True


def _is_transparency(data: bytes, colours: Colours) -> bool:
    """A tRNS chunk has the length that its colour type asks for; libpng ignores others."""
    if colours.colour_type == PALETTE:
        return 1 <= len(data) <= colours.palette_bytes // 3
    return len(data) == TRNS_BYTES.get(colours.colour_type, -1)


def _is_text(data: bytes, _colours: Colours) -> bool:
    return data.partition(b"\0")[0] in READ_TEXTS and len(data) <= MOST_TEXT


def _is_packed_text(data: bytes, _colours: Colours) -> bool:
    keyword, _, rest = data.partition(b"\0")
    return keyword in READ_TEXTS and rest[:1] == b"\0" and _unpacks(rest[1:])


def _is_international_text(data: bytes, _colours: Colours) -> bool:
    keyword, _, rest = data.partition(b"\0")
    if keyword not in READ_TEXTS or len(rest) < 2:  # noqa: PLR2004  a flag and a method
        return False
    if not rest[0]:
        return len(data) <= MOST_TEXT
    return rest[1] == 0 and _unpacks(rest[2:].split(b"\0", 2)[-1])


def _unpacks(data: bytes) -> bool:
    """Whether compressed text is whole and not too large; no more than MOST_TEXT of it is unpacked."""
    unpacker = zlib.decompressobj()
    try:
        unpacker.decompress(data, MOST_TEXT)
    except zlib.error:
        return False
    return not unpacker.unconsumed_tail


_TESTS: dict[bytes, Callable[[bytes, Colours], bool]] = {
    b"tRNS": _is_transparency,
    b"pHYs": lambda data, _colours: len(data) >= PHYS_BYTES,
    b"tEXt": _is_text,
    b"zTXt": _is_packed_text,
    b"iTXt": _is_international_text,
}


class _Joined:
    """The part of a file's interface that Pillow calls: some bytes, and behind them the rest of a file."""

    def __init__(self, head: bytes, file: IO[bytes], start: int) -> None:
        """start: of the rest in the file."""
        self._head, self._file, self._moved = head, file, len(head) - start
        self._at = 0

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes."""
        if size is None or size < 0:
            data = self._head[self._at :] + self._rest(-1)
        else:
            data = self._head[self._at : self._at + size]
            if len(data) < size:
                data += self._rest(size - len(data))
        self._at += len(data)
        return data

    def _rest(self, size: int) -> bytes:
        self._file.seek(max(self._at, len(self._head)) - self._moved)
        return self._file.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        if whence == io.SEEK_END:
            # A memory mapping does not return its place.
            self._file.seek(offset, whence)
            self._at = self._file.tell() + self._moved
        else:
            self._at = offset + (self._at if whence == io.SEEK_CUR else 0)
        return self._at

    def tell(self) -> int:
        """The place."""
        return self._at

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def register() -> None:
    """Add the reader to Pillow."""
    Image.register_open(NAME, PngFile, accepts)
