"""HEIC by pillow-heif, through libheif; the extra `heif` brings it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import IO, BinaryIO

from PIL import Image

from imgsrv.imaging.formats.format import Coded, EncoderSettings, Fitness, Format, Options, scaled_effort
from imgsrv.imaging.formats.iso import heif_file
from imgsrv.imaging.formats.iso.media import IsoMedia, Item, Steps, boxes, has_brand
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.pixels.sixteen_bit import GREY, DeepFrame

GRID = b"grid"
"""The type of an item that is a grid of tiles."""

OVERLAY, MOST_LAYERS = b"iovl", 4
"""The type of an item that is made of layers, and how many of its own size are read."""

MOST_DEPTH = 16
"""Most levels of pictures that are put together from others; cameras write one."""

BYTE = 8
"""Bits of a channel in Pillow's modes."""

PRESETS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow",
)  # fmt: skip
"""Efforts of x265, by its own names; `medium` takes half the time of `slow`, which is libheif's own choice."""


@cache
def _register() -> None:
    import pillow_heif  # noqa: PLC0415  an optional wheel

    # An engine owns one core.  Thumbnails and maps of depth are not the picture.
    pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)
    heif_file.register()


def _options(settings: EncoderSettings) -> Options:
    preset = "medium" if settings.effort is None else PRESETS[scaled_effort(settings.effort, len(PRESETS) - 1)]
    # Without pools x265 works on the engine's own core.
    encoder = {"preset": preset, "x265:pools": "none", "x265:frame-threads": "1"}
    if settings.lossless:
        return {"enc_params": encoder, "quality": -1, "chroma": 444, "matrix_coefficients": 0}
    chroma = int(settings.subsampling.replace(":", ""))
    return {"enc_params": encoder, "quality": settings.quality, "chroma": chroma}


def _write_still(frame: Frame, settings: EncoderSettings, metadata: Options, file: BinaryIO) -> bool:
    """Write a picture of more than 8 bits, or one with code points, which Pillow has no mode or option for."""
    if not isinstance(frame, DeepFrame) and frame.mode != GREY and "cicp" not in metadata:
        return False
    heif_file.write(frame, {**_options(settings), **metadata}, is_lossless=settings.lossless, file=file)
    return True


def _bit_depth(_data: bytes, image: Image.Image) -> int:
    return image.depth if isinstance(image, heif_file.HeifFile) else 0


def _unread_variant(file: IO[bytes]) -> tuple[str, str] | None:
    file.seek(0)
    kinds = {kind for kind, _start, _end in boxes(file.read())}
    if b"moov" not in kinds or b"meta" in kinds:
        return None
    return "it is a film of HEVC without a still picture, which this server does not read", "save one frame of it"


def _read_pixels(image: Image.Image, is_deep: bool) -> Frame | None:  # noqa: FBT001
    if is_deep and isinstance(image, heif_file.HeifFile) and image.depth > BYTE:
        return image.decoded(is_deep=True)
    return None


def _coded(data: bytes, _image: Image.Image) -> Iterator[Coded]:
    """The pixels from which every derived picture is put together, as a size of the picture's width.

    libheif compares each stream with its container, but decodes as many tiles and layers as a file names, each as often
    as it is named.  The tiles of a grid may extend beyond its right and lower edge by less than one tile.
    """
    items = IsoMedia(data, Steps()).items()
    totals: dict[int, int] = {}
    for number, item in items.items():
        if not item.made_of or not item.size:
            continue
        total = _pixels(number, items, totals)
        width, height = item.size
        tiles = [items[part].size or (0, 0) for part in item.made_of if part in items]
        across, down = (max((tile[side] for tile in tiles), default=1) for side in (0, 1))
        if item.kind == GRID and total < (width + across) * (height + down):
            continue
        if item.kind == OVERLAY and total <= MOST_LAYERS * width * height:
            continue
        size = width, -(-total // max(1, width))
        yield (item.size if item.kind == GRID else size), size


def _pixels(number: int, items: dict[int, Item], totals: dict[int, int], depth: int = 0) -> int:
    """The pixels that are decoded for an item.  Raises SyntaxError for one that is put together too often."""
    if depth > MOST_DEPTH:
        raise SyntaxError("its pictures are put together from one another too often")
    if number not in totals:
        item = items.get(number, Item())
        own = math.prod(item.size or (0, 0))
        parts = sum(_pixels(part, items, totals, depth + 1) for part in item.made_of)
        totals[number] = parts if item.made_of else own
    return totals[number]


FORMAT = Format(
    name="heic",
    label="HEIC",
    pillow="HEIF",
    media_type="image/heic",
    suffixes=(".heic", ".heif"),
    position=10,
    extra="heif",
    wheel="pillow_heif",
    register=_register,
    reader=heif_file.NAME,
    # AVIF stands before it and is asked first: it may name the brand mif1 as well.
    begins=lambda head: has_brand(head, heif_file.BRANDS),
    fields=("quality", "lossless", "effort", "subsampling", "icc"),
    default_quality=47,
    has_16_bits=True,
    holds_cicp=True,
    max_side=16_384,
    is_upright=True,
    coded=_coded,
    bit_depth=_bit_depth,
    unread_variant=_unread_variant,
    read_pixels=_read_pixels,
    options=_options,
    write_still=_write_still,
    fitness=Fitness(photograph=1, drawing=0.5),
    decode_bytes_per_pixel=28,
    encode_bytes_per_pixel=74,
    deep_encode_bytes_per_pixel=132,
)
