"""AVIF by Pillow, through libavif."""

from __future__ import annotations

from collections.abc import Iterator

from PIL import Image

from imgsrv.imaging.formats import av1
from imgsrv.imaging.formats.format import Coded, EncoderSettings, Fitness, Format, Options
from imgsrv.imaging.formats.iso_media import IsoMedia, Steps, has_brand
from imgsrv.imaging.model.animation import FOR_EVER

BRANDS = (b"avif", b"avis")

DEFAULT_SPEED, FASTEST = 8, 10
"""Of libavif."""

CONFIGURATION = b"av1C"
"""The box that gives the depth."""

STREAM = b"av01"
"""The type of an item or a sample that is an AV1 bitstream."""


def _options(settings: EncoderSettings) -> Options:
    speed = DEFAULT_SPEED if settings.effort is None else FASTEST - settings.effort
    lossy = {"quality": settings.quality, "subsampling": settings.subsampling}
    lossless = {"quality": 100, "subsampling": "4:4:4"} if settings.lossless else lossy
    # One thread: an engine owns one core, and a second picture has more use for the next one.
    return {"speed": speed, "max_threads": 1, **lossless}


def _bit_depth(data: bytes, _image: Image.Image) -> int:
    box = data.find(CONFIGURATION)
    if not 0 <= box < len(data) - 7:
        return 0
    flags = data[box + 6]
    is_high, is_twelve = flags & 0x40, flags & 0x20
    return (12 if is_twelve else 10) if is_high else 8


def _coded(data: bytes, image: Image.Image) -> Iterator[Coded]:
    """The sizes in every bitstream.

    libavif gives each picture the size that its box `ispe` says, and scales the one that its decoder returns.
    """
    steps, view = Steps(), memoryview(data)
    media = IsoMedia(data, steps)
    copied = 0
    for item in media.items().values():
        if item.kind != STREAM:
            continue
        parts = [view[start:end] for start, end in item.parts]
        if len(parts) > 1:
            copied += sum(map(len, parts))
            if copied > 2 * len(data):
                raise SyntaxError("its items share their data")
        stream = parts[0] if len(parts) == 1 else b"".join(parts)
        yield from ((item.size or image.size, size) for size in av1.coded_sizes(stream, steps, []))
    for samples in media.tracks(STREAM):
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
    begins=lambda head: has_brand(head, BRANDS),
    fields=("quality", "lossless", "effort", "subsampling", "icc"),
    has_animation=True,
    max_side=32_768,
    counts_frames=True,
    coded=_coded,
    bit_depth=_bit_depth,
    # Pillow neither reads nor writes how often an AVIF repeats; players repeat it for ever.
    plays=FOR_EVER,
    animation=lambda _plays: {},
    options=_options,
    fitness=Fitness(photograph=1, drawing=0.5, animation=1),
    decode_bytes_per_pixel=28,
    encode_bytes_per_pixel=50,
)
