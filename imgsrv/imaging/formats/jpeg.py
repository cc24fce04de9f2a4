"""JPEG by Pillow, with Huffman tables of its own where they are worth a second pass over the coefficients."""

from __future__ import annotations

import io
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import IO, BinaryIO

from PIL import Image, ImageFile

from imgsrv.errors import Undecodable
from imgsrv.imaging.formats.format import EncoderSettings, Fitness, Format, HeaderLayout, Options
from imgsrv.imaging.formats.gain_maps.container import read_gain_map, with_gain_map, with_terms
from imgsrv.imaging.formats.jpeg_parts.header import BITS, read_plain, read_size, skipped_bytes
from imgsrv.imaging.formats.jpeg_parts.opening import (
    BYTES_PER_PIXEL,
    DEEP_BITS,
    DEEP_FRAMES,
    MODES,
    NAME,
    OddJpegFile,
    register,
)
from imgsrv.imaging.formats.jpeg_parts.scans import (
    END,
    FRAME_MARKERS,
    LOSSLESS_FRAME,
    MOST_SCANS,
    PROGRESSIVE_FRAMES,
    TRIALS,
    UNREAD_FRAMES,
    FrameKind,
    completed,
    find_segments,
    has_too_many_scans,
    is_short,
    read_frame_kind,
    read_scans,
    with_end,
)
from imgsrv.imaging.memory.huge_pages import prepare_memory
from imgsrv.imaging.model.broken import is_lenient
from imgsrv.imaging.model.gain_map import GainMap
from imgsrv.imaging.model.limits import Data, Size
from imgsrv.imaging.model.picture import Frame

OPTIMIZED_PIXELS = 300_000
"""Largest result that gets tables of its own: 2 to 12 % smaller for 0.3 to 0.6 ms.

Of larger ones the pass takes a larger share of the time, and the tables of the standard fit them better.
"""

COPIED_BYTES = 1 << 20

MOST_BYTES_A_PIXEL = 4
"""Noise of black and white in three full channels at quality 100 takes 3.6."""

BLOCK, MARKERS_BYTES = 16, 65_536
"""Pixels that a side is filled up to, and room for tables and markers."""

SEGMENT_BYTES = 65_533 - len("http://ns.adobe.com/xap/1.0/\0")
"""Most bytes of EXIF or XMP, each of which a JPEG holds in one segment."""

COMPONENTS = (1, 3, 4)
"""Numbers of components that are read."""

DEEP_KINDS, DEEP_COMPONENTS = tuple((DEEP_BITS, marker) for marker in DEEP_FRAMES), tuple(MODES)
"""Bits and kinds of frames of deep JPEGs that are read, and their components."""

MISSING_LEVELS = (127, 128)
"""Levels of a block without coefficients, also inverted as in CMYK."""


# ---- the decoder --------------------------------------------------------------------------------------


def _variant(file: IO[bytes], data: Data) -> Format | None:
    """A lossless JPEG has no coefficients, so no part of it gives a smaller picture; for the other see `completed`.

    Raises Undecodable for a kind that libjpeg does not read.
    """
    kind = read_frame_kind(file)
    if kind is None:
        return None
    if unread := _unread_kind(kind):
        raise Undecodable(FORMAT.name, *unread)
    if kind.marker == LOSSLESS_FRAME:
        return LOSSLESS
    if kind.marker in PROGRESSIVE_FRAMES and has_too_many_scans(data):
        raise Undecodable(FORMAT.name, f"it has more than {MOST_SCANS} scans", "save it anew")
    if kind.bits == DEEP_BITS:
        return DEEP
    # Most files with something behind their end have the end, too.
    return WITHOUT_END if bytes(data[-2:]) not in (END, b"") and not read_scans(bytes(data)).has_end else None


def _unread_variant(file: IO[bytes]) -> tuple[str, str] | None:
    kind = read_frame_kind(file)
    return None if kind is None else _unread_kind(kind)


def _unread_kind(kind: FrameKind) -> tuple[str, str] | None:
    """The reason why a JPEG is not read, and what to do about it."""
    if kind.marker in UNREAD_FRAMES:
        return f"it is {UNREAD_FRAMES[kind.marker]}, which this server does not read", "save it as a baseline JPEG"
    if kind.bits != BITS and (kind.bits, kind.marker) not in DEEP_KINDS:
        reason = f"it has {kind.bits} bits a channel, and this server reads JPEGs of 8, and of 12 that are not lossless"
        return reason, "save it with 8 bits, or as a PNG"
    if not kind.height:
        return "its height stands behind its pixels (DNL), which this server does not read", "save it anew"
    if kind.bits == DEEP_BITS and kind.components not in DEEP_COMPONENTS:
        return f"it has {kind.components} components of 12 bits, and this server reads 1 or 3", "save it with 8 bits"
    if kind.components not in COMPONENTS:
        return f"it has {kind.components} components, and this server reads 1, 3 or 4", "save it as RGB"
    return None


def _read_pixels(image: Image.Image, is_deep: bool) -> Frame | None:  # noqa: FBT001
    """Let Pillow load the picture, with an end marker where nothing else is missing.

    Raises OSError for one that is not whole.
    """
    if isinstance(image, OddJpegFile) and image.is_deep:
        return image.pixels(is_deep=is_deep)
    if not isinstance(image, ImageFile.ImageFile) or image.fp is None:
        return None
    file, tile = image.fp, list(image.tile)
    prepare_memory(image)
    try:
        image.load()
    except OSError:
        file.seek(0)
        whole = completed(file.read())
        if whole is None:
            raise
        # Pillow gives both up before it raises.
        image.fp, image.tile = io.BytesIO(whole), tile
        image.load()
        return None
    if "progressive" in image.info and not is_lenient():
        file.seek(0)
        if lacks_scans(file.read()):
            raise OSError("image file is truncated: it ends before its last scans")
    if _ends_grey(image) and not is_lenient():
        file.seek(0)
        if is_short(file.read()):
            raise OSError("image file is truncated before its end marker")
    return None


def lacks_scans(data: Data) -> bool:
    """True for a progressive JPEG whose end marker stands before the last bits of its coefficients have come."""
    frames = (marker for marker, _start, _end in find_segments(data) if marker in FRAME_MARKERS)
    if next(frames, None) not in PROGRESSIVE_FRAMES:
        return False
    data = bytes(data)
    scans = read_scans(data)
    return scans.has_end and not scans.are_all(data)


def _ends_grey(image: Image.Image) -> bool:
    """The last pixel is what libjpeg makes of a block that is missing; it is rare elsewhere."""
    last = image.getpixel((image.width - 1, image.height - 1))
    return all(level in MISSING_LEVELS for level in (last if isinstance(last, tuple) else (last,)))


# ---- the encoder --------------------------------------------------------------------------------------


def asks_for_tables(effort: int | None) -> bool | None:
    """Whether a JPEG is to have Huffman tables of its own; None leaves it to its size."""
    return None if effort is None else effort > 0


def has_own_tables(size: Size, asked: bool | None) -> bool:  # noqa: FBT001  an option's three values
    """A result of that size gets Huffman tables of its own, as asked or as it suits."""
    return size[0] * size[1] <= OPTIMIZED_PIXELS if asked is None else asked


def _options(settings: EncoderSettings) -> Options:
    return {
        "quality": settings.quality,
        "subsampling": settings.subsampling,
        "progressive": settings.progressive,
        "optimize": asks_for_tables(settings.effort),
    }


def _save(form: Format, frame: Frame, file: BinaryIO, options: Options) -> None:
    is_optimized = has_own_tables(frame.size, options["optimize"]) or options["progressive"]
    metadata_bytes = sum(len(value) for value in options.values() if isinstance(value, bytes))
    options = {**options, "optimize": is_optimized}
    if not is_optimized:
        frame.save(file, form.pillow, **options)
        return
    with _buffer_for(frame.size, metadata_bytes):
        if frame.width * frame.height <= OPTIMIZED_PIXELS:
            frame.save(file, form.pillow, **options)
        else:
            _save_unlocked(frame, file, form.pillow, options)


def save(frame: Frame, file: BinaryIO, settings: EncoderSettings) -> None:
    """Write a frame of RGB, grey or YCbCr as a JPEG."""
    _save(FORMAT, frame, file, _options(settings))


def _save_unlocked(frame: Frame, file: BinaryIO, pillow: str, options: Options) -> None:
    """Write by way of a file of the system, for which Pillow gives up the interpreter's lock.

    It keeps the lock while it encodes into a buffer, all in one call: 35 ms for each megapixel of a progressive JPEG.
    """
    with os.fdopen(os.memfd_create("imgsrv-jpeg"), "w+b") as written:
        frame.save(written, pillow, **options)
        written.seek(0)
        shutil.copyfileobj(written, file, COPIED_BYTES)


def _save_with_gain_map(
    form: Format, frame: Frame, gain_map: GainMap, settings: EncoderSettings, options: Options, file: BinaryIO
) -> None:
    """An Ultra HDR file; the gain map has the quality of the picture, and as many pixels of colour as of light."""
    picture, second = io.BytesIO(), io.BytesIO()
    _save(form, frame, picture, {name: value for name, value in options.items() if name != "xmp"})
    own = {**_options(settings), "subsampling": "4:4:4"}
    _save(form, gain_map.frame, second, {**own, "icc_profile": gain_map.profile} if gain_map.profile else own)
    described = with_terms(second.getvalue(), gain_map.terms)
    file.write(with_gain_map(picture.getvalue(), described, options.get("xmp", b"")))


_lock = threading.Lock()

_needed: list[int] = []
"""Bytes that the pictures need that are being written now, in all threads."""

_usual_bytes = ImageFile.MAXBLOCK


@contextmanager
def _buffer_for(size: Size, metadata_bytes: int) -> Iterator[None]:
    """Let Pillow's buffer hold the whole file.

    libjpeg cannot stop in the second pass, and Pillow guesses a byte for each pixel: too few for noise, which then
    fails.  Pillow has no parameter for that but a variable of its module; it is as large as the largest picture that
    is being written needs, whichever thread writes it.  The rest of the buffer is never touched and takes no memory.
    """
    width, height = (-(-side // BLOCK) * BLOCK for side in size)
    needed = MOST_BYTES_A_PIXEL * width * height + MARKERS_BYTES + metadata_bytes
    with _lock:
        _needed.append(needed)
        ImageFile.MAXBLOCK = max(_needed)
    try:
        yield
    finally:
        with _lock:
            _needed.remove(needed)
            ImageFile.MAXBLOCK = max(_needed, default=_usual_bytes)


def _attach_metadata(exif: Image.Exif, xmp: bytes) -> Options:
    data = exif.tobytes() if len(exif) else b""
    return {key: value for key, value in (("xmp", xmp), ("exif", data)) if 0 < len(value) <= SEGMENT_BYTES}


FORMAT = Format(
    name="jpeg",
    label="JPEG",
    pillow="JPEG",
    media_type="image/jpeg",
    suffixes=(".jpg", ".jpeg"),
    position=1,
    other_reader=NAME,
    register=cache(register),
    bit_depth=lambda _data, image: image.depth if isinstance(image, OddJpegFile) else BITS,
    signatures=(b"\xff\xd8\xff",),
    fields=("quality", "effort", "progressive", "subsampling", "icc", "hdr"),
    default_quality=80,
    has_alpha=False,
    max_side=65_500,
    # libjpeg decodes at these scales by a smaller inverse DCT.
    scales=(8, 4, 2),
    blurs_drawings=True,
    # Without profiles and thumbnails the header has about 700 bytes.  An empty comment joins it to the signature:
    # what follows a segment may be junk, which is read over there and nowhere else.
    header=HeaderLayout(2, b"\xff\xfe\0\2", 2048, skipped_bytes, read_size),
    plain=read_plain,
    variant=_variant,
    unread_variant=_unread_variant,
    reads_parts=True,
    mended=lambda data: with_end(data) or data,
    read_pixels=_read_pixels,
    read_gain_map=read_gain_map,
    options=_options,
    save=_save,
    save_with_gain_map=_save_with_gain_map,
    attach_metadata=_attach_metadata,
    has_resolution=True,
    fitness=Fitness(photograph=0.9, drawing=0.3),
    browsers_show=True,
    is_shown_everywhere=True,
    decode_bytes_per_pixel=13,
    encode_bytes_per_pixel=9,
)

LOSSLESS = replace(FORMAT, scales=())
"""The row of a lossless JPEG (ITU-T T.81, annex H)."""

WITHOUT_END = replace(FORMAT, full_decodes=TRIALS)
"""The row of a JPEG without an end marker, which is looked at more closely before it is read."""

DEEP = replace(FORMAT, scales=(), decode_bytes_per_pixel=BYTES_PER_PIXEL)
"""The row of a JPEG of 12 bits a channel."""
