"""How often an animated AVIF plays, and how long each frame stands.

Its edit list has one play, and its durations all of them.  The layouts are those of ISO/IEC 14496-12 (8.2.2 movie,
8.3.2 track, 8.4.2 media, 8.6.1.2 durations of samples, 8.6.6 edit list).
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from imgsrv.imaging.formats.iso.media import Cursor, IsoMedia, Part, Steps
from imgsrv.imaging.model.animation import FOR_EVER, ONCE

REPEATS = 1
"""The flag of an edit list that is repeated until the track ends."""

BYTES_BEFORE_DURATION = {b"mvhd": 4, b"tkhd": 8}
"""Bytes between the times of creation and change and the duration."""


def read_plays(media: IsoMedia, track: Part) -> int | None:
    """How often a track is played, as libavif counts; None where no edit list says it."""
    once = next(_once(media, track), None)
    if once is None:
        return None
    length, is_repeated = once
    if not is_repeated:
        return ONCE
    start, end, wide = next(_duration(media, track, b"tkhd"), (0, 0, 0))
    whole = int.from_bytes(media.data[start:end], "big")
    is_endless = not wide or whole == (1 << 8 * wide) - 1
    return FOR_EVER if is_endless or not length else max(ONCE, -(-whole // length))


def read_durations(media: IsoMedia, track: Part) -> Iterator[Fraction]:
    """Milliseconds of each sample of a track.  Raises ZeroDivisionError for a track whose seconds have no units."""
    units = next(_units(media, track), 0)
    for start, end in media.contents(track, b"mdia", b"minf", b"stbl", b"stts"):
        cursor = Cursor(media.data, (start + 4, end))
        for _ in media.times(cursor.take(4)):
            count, length = cursor.take(4), cursor.take(4)
            for _ in media.times(count):
                yield Fraction(1000 * length, units)


def _units(media: IsoMedia, track: Part) -> Iterator[int]:
    """The units of a second of a track."""
    for part in media.contents(track, b"mdia", b"mdhd"):
        cursor = Cursor(media.data, part)
        wide = _wide(cursor)
        cursor.take(3 + 2 * wide)
        yield cursor.take(4)


def with_plays(data: bytes, plays: int) -> bytes:
    """The file of libavif, which plays for ever, with so many plays."""
    media, changed = IsoMedia(data, Steps()), bytearray(data)
    (movie,) = media.contents((0, len(data)), b"moov")
    longest = 0
    for track in media.contents(movie, b"trak"):
        length, _is_repeated = next(_once(media, track))
        longest = max(longest, length * plays)
        for start, end, wide in _duration(media, track, b"tkhd"):
            changed[start:end] = (length * plays).to_bytes(wide, "big")
    for start, end, wide in _duration(media, movie, b"mvhd"):
        changed[start:end] = longest.to_bytes(wide, "big")
    return bytes(changed)


def _once(media: IsoMedia, track: Part) -> Iterator[tuple[int, bool]]:
    """The duration of one play, and whether it is repeated, by an edit list of one entry."""
    for part in media.contents(track, b"edts", b"elst"):
        cursor = Cursor(media.data, part)
        wide, flags = _wide(cursor), cursor.take(3)
        if cursor.take(4) == 1:
            yield cursor.take(wide), bool(flags & REPEATS)


def _duration(media: IsoMedia, part: Part, kind: bytes) -> Iterator[tuple[int, int, int]]:
    """Where the duration in a box of a movie or a track begins and ends, and the bytes that it has."""
    for start, end in media.contents(part, kind):
        wide = _wide(Cursor(media.data, (start, end)))
        at = start + 4 + 2 * wide + BYTES_BEFORE_DURATION[kind]
        if at + wide <= end:
            yield at, at + wide, wide


def _wide(cursor: Cursor) -> int:
    """The bytes of a time, by the version of the box."""
    return 8 if cursor.take(1) else 4
