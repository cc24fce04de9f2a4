"""A GIF of frames: each is compressed by Pillow as a GIF of its own, and put behind one header.

Every frame keeps its duration: none is merged with the one before.  An animation without transparency is written as
the parts that change.  With transparency each frame is written as far as it is visible, and cleared afterwards.
"""

from __future__ import annotations

import io
import math
import struct
from fractions import Fraction
from typing import BinaryIO

from PIL import ImageChops

from imgsrv.imaging.formats.format import MOST_PLAYS, EncoderSettings, Options
from imgsrv.imaging.formats.gif_parts.structure import IMAGE, SCREEN_BYTES, STEP_MS, blocks, colour_table
from imgsrv.imaging.model.animation import FOR_EVER, ONCE, Milliseconds
from imgsrv.imaging.model.picture import Frame, Picture
from imgsrv.imaging.pixels.palette import reduced_with_mask

MOST_COLOURS = 256

LONGEST_MS = 65_535 * STEP_MS

SHORTEST = 2
"""Steps that a longer frame than one step gets at least: browsers show one step as ten."""

KEPT, CLEARED = 1, 2
"""Numbers of disposals."""

PIXEL = (0, 0, 1, 1)

Corners = tuple[int, int, int, int]


def write_still(frame: Frame, _settings: EncoderSettings, _metadata: Options, file: BinaryIO) -> bool:
    """Write a GIF of one image.  Alpha below 128 becomes transparent, other alpha opaque."""
    indexed = _indexed(frame)
    indexed.save(file, "GIF", optimize=False)
    return True


def write_animation(picture: Picture, _settings: EncoderSettings, _metadata: Options, file: BinaryIO) -> bool:
    """Write a GIF of all frames, their durations rounded to 10 ms, and the plays.  True: nothing is left to Pillow."""
    frames = picture.frames
    is_opaque = all(_is_opaque(frame) for frame in frames)
    before: Frame | None = None
    for frame, delay in zip(frames, _delays(picture.durations), strict=True):
        box = _changed(before, frame) if is_opaque else _visible(frame)
        if before is None:
            box = (0, 0, *frame.size)
        part = frame if box == (0, 0, *frame.size) else frame.crop(box)
        indexed = _indexed(part) if is_opaque else _with_transparent(_indexed(part, MOST_COLOURS - 1))
        table, place, pixels = _image(indexed)
        if before is None:
            file.write(b"GIF89a" + struct.pack("<HH", *frame.size) + bytes((0x80 | _bits(table), 0, 0)) + table)
            file.write(_repeats(picture.plays))
            table = b""
        transparent = indexed.info.get("transparency")
        flags = (KEPT if is_opaque else CLEARED) << 2 | (transparent is not None)
        file.write(b"!\xf9\x04" + struct.pack("<BHB", flags, delay, transparent or 0) + b"\0")
        file.write(b"," + struct.pack("<HHHH", *box[:2], *indexed.size))
        file.write(bytes((place & 0x40 | (0x80 | _bits(table) if table else 0),)) + table + pixels)
        before = frame
    file.write(b";")
    return True


def _delays(durations: tuple[Milliseconds, ...]) -> list[int]:
    """The durations in steps; what rounding takes from one frame goes to the next."""
    delays = []
    missing = Fraction(0)
    for duration in durations:
        wanted = Fraction(duration) + missing
        least = min(SHORTEST, math.ceil(Fraction(duration) / STEP_MS))
        delay = min(LONGEST_MS // STEP_MS, max(least, math.floor(wanted / STEP_MS + Fraction(1, 2))))
        left = wanted - delay * STEP_MS
        # A frame that is too long or too short for the format does not change the next one.
        missing = left if abs(left) < STEP_MS else Fraction(0)
        delays.append(delay)
    return delays


def _repeats(plays: int) -> bytes:
    """The extension that repeats an animation; the file of one that plays once has none."""
    if plays == ONCE:
        return b""
    repeats = 0 if plays == FOR_EVER else min(plays - 1, MOST_PLAYS)
    return b"!\xff\x0bNETSCAPE2.0\3\1" + struct.pack("<H", repeats) + b"\0"


def _is_opaque(frame: Frame) -> bool:
    if frame.mode == "P":
        return "transparency" not in frame.info
    return frame.mode != "RGBA" or frame.getchannel("A").getextrema()[0] == 255  # noqa: PLR2004


def _changed(before: Frame | None, frame: Frame) -> Corners:
    """The part that differs from the frame before, or one pixel."""
    if before is None:
        return (0, 0, *frame.size)
    one, other = (each.convert("RGB") for each in (before, frame))
    return ImageChops.difference(one, other).getbbox() or PIXEL


def _visible(frame: Frame) -> Corners:
    """The part that holds every visible pixel, or one pixel."""
    if frame.mode == "P":
        return (0, 0, *frame.size)
    return (frame.getbbox() if frame.mode == "RGBA" else None) or (0, 0, *frame.size)


def _indexed(frame: Frame, colours: int = MOST_COLOURS) -> Frame:
    """The frame in a palette; grey has one of itself."""
    if frame.mode in ("P", "L") and colours == MOST_COLOURS:
        return frame
    if frame.mode == "P" and int(frame.getextrema()[1]) < colours:  # type: ignore[arg-type]  # of one channel
        return frame
    return reduced_with_mask(frame.convert("RGBA"), colours, is_dithered=False)


def _with_transparent(indexed: Frame) -> Frame:
    """The frame with a transparent colour, even if no pixel has it: viewers may clear the place of a frame to it."""
    if "transparency" in indexed.info:
        return indexed
    used = int(indexed.getextrema()[1]) + 1  # type: ignore[arg-type]  # of one channel
    result = indexed.copy()
    result.putpalette((indexed.getpalette() or [])[: 3 * used] + [0] * 3)
    result.info["transparency"] = used
    return result


def _image(indexed: Frame) -> tuple[bytes, int, bytes]:
    """The colour table, the flags of the image, and its compressed pixels."""
    file = io.BytesIO()
    indexed.save(file, "GIF", optimize=False, interlace=False)
    data = file.getvalue()
    start, end = next((start, end) for kind, start, end in blocks(data) if kind == IMAGE)
    table, own = colour_table(data, 10, SCREEN_BYTES), colour_table(data, start + 9, start + 10)
    return own or table, data[start + 9], data[start + 10 + len(own) : end]


def _bits(table: bytes) -> int:
    """The size of a table as flags have it."""
    return (len(table) // 3).bit_length() - 2
