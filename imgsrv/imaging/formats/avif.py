"""AVIF by Pillow, through libavif."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from PIL import Image

from imgsrv.imaging.apart.pictures import Wanted, decode_apart
from imgsrv.imaging.formats.format import Coded, EncoderSettings, Fitness, Format, Options
from imgsrv.imaging.formats.iso import av1, avif_animation, avif_file, avif_plays, avif_writer
from imgsrv.imaging.formats.iso.media import IsoMedia, Steps, has_brand
from imgsrv.imaging.formats.iso.properties import AV1, picture_tracks
from imgsrv.imaging.model.animation import FOR_EVER, Milliseconds
from imgsrv.imaging.model.limits import Data
from imgsrv.imaging.model.picture import Frame, Picture
from imgsrv.imaging.pixels.sixteen_bit import GREY, DeepFrame

DEFAULT_SPEED, FASTEST = 8, 10
"""Speeds of libavif."""

PAYS = 10_000, 2_000_000
"""Pixels between which `format=auto` chooses it: below, WebP is as small; above, it takes more than half a second.

`bench/support/auto_formats.py` measures both; docs/formats.md has the table.
"""

BYTE = 8
"""Bits of a channel in Pillow's modes."""


def _speed(settings: EncoderSettings) -> int:
    return DEFAULT_SPEED if settings.effort is None else FASTEST - settings.effort


def _options(settings: EncoderSettings) -> Options:
    lossy = {"quality": settings.quality, "subsampling": settings.subsampling}
    lossless = {"quality": 100, "subsampling": "4:4:4"} if settings.lossless else lossy
    # One thread: an engine owns one core, and a second picture has more use for the next one.
    return {"speed": _speed(settings), "max_threads": 1, **lossless}


def _write_still(frame: Frame, settings: EncoderSettings, metadata: Options, file: BinaryIO) -> bool:
    """Write a picture of more than 8 bits, one with code points, or colours without loss: Pillow writes YCbCr only."""
    is_exact = settings.lossless and frame.mode in ("RGB", "RGBA")
    if not isinstance(frame, DeepFrame) and frame.mode != GREY and "cicp" not in metadata and not is_exact:
        return False
    avif_writer.write(frame, settings, _speed(settings), metadata, file)
    return True


def _write_animation(picture: Picture, settings: EncoderSettings, metadata: Options, file: BinaryIO) -> bool:
    return avif_animation.write_exact(picture, settings, _speed(settings), metadata, file)


def _save(form: Format, frame: Frame, file: BinaryIO, options: Options) -> None:
    known = {name: value for name, value in options.items() if name != "plays"}
    if plays := options.get("plays", FOR_EVER):
        made = io.BytesIO()
        frame.save(made, form.pillow, **known)
        file.write(avif_plays.with_plays(made.getvalue(), plays))
    else:
        frame.save(file, form.pillow, **known)


def _bit_depth(_data: bytes, image: Image.Image) -> int:
    return image.depth if isinstance(image, avif_file.AvifFile) else 0


def _read_pixels(image: Image.Image, is_deep: bool) -> Frame | None:  # noqa: FBT001
    """The pixels of a still picture of more than 8 bits.  Animations are read in 8 bits, by Pillow."""
    if not is_deep or not isinstance(image, avif_file.AvifFile) or image.is_animated or image.depth <= BYTE:
        return None
    mode = {"L": "I;16"}.get(image.mode, f"{image.mode};16")
    wanted = Wanted("avif", mode, image.coded_size, {"depth": image.depth}, FORMAT.decode_bytes_per_pixel)
    frame, _facts, _profile = decode_apart(image.source, FORMAT.name, wanted)
    return frame.crop(image.stated.aperture) if image.stated.aperture else frame


def _durations(data: Data) -> Iterator[Milliseconds]:
    """The durations of the first track of pictures, where that is the picture."""
    if bytes(data[8:12]) != avif_file.SEQUENCE:
        return
    media = IsoMedia(data, Steps())  # type: ignore[arg-type]  # a memory mapping has what is used of bytes
    for track in islice(picture_tracks(media), 1):
        yield from avif_plays.read_durations(media, track)


def _coded(data: bytes, image: Image.Image) -> Iterator[Coded]:
    """The sizes in every bitstream.

    libavif gives each picture the size that its box `ispe` says, and scales the one that its decoder returns.
    """
    steps, view = Steps(), memoryview(data)
    media = IsoMedia(data, steps)
    copied = 0
    for item in media.items().values():
        if item.kind != AV1:
            continue
        parts = [view[start:end] for start, end in item.parts]
        if len(parts) > 1:
            copied += sum(map(len, parts))
            if copied > 2 * len(data):
                raise SyntaxError("its items share their data")
        stream = parts[0] if len(parts) == 1 else b"".join(parts)
        yield from ((item.size or image.size, size) for size in av1.coded_sizes(stream, steps, []))
    for samples in media.tracks(AV1):
        known: list[av1.Sequence] = []
        for start, end in samples:
            yield from ((image.size, size) for size in av1.coded_sizes(view[start:end], steps, known))


FORMAT = Format(
    name="avif",
    label="AVIF",
    pillow="AVIF",
    media_type="image/avif",
    suffixes=(".avif",),
    position=4,
    register=avif_file.register,
    reader=avif_file.NAME,
    begins=lambda head: has_brand(head, avif_file.BRANDS),
    fields=("quality", "lossless", "effort", "subsampling", "icc"),
    default_quality=67,
    has_animation=True,
    has_16_bits=True,
    holds_cicp=True,
    max_side=32_768,
    max_area=16_384**2,
    counts_frames=True,
    coded=_coded,
    durations=_durations,
    bit_depth=_bit_depth,
    read_pixels=_read_pixels,
    # Players repeat a file that does not say how often.
    plays=FOR_EVER,
    animation=lambda plays: {"plays": plays},
    save=_save,
    options=_options,
    write_still=_write_still,
    write_animation=_write_animation,
    browsers_show=True,
    fitness=Fitness(photograph=1, drawing=0.5, animation=1, pays=PAYS),
    decode_bytes_per_pixel=28,
    encode_bytes_per_pixel=50,
    deep_encode_bytes_per_pixel=68,
)
