"""JPEG 2000 by Pillow, through OpenJPEG, in a process of its own: it keeps the interpreter's lock to the end."""

from __future__ import annotations

from typing import BinaryIO

from PIL import Image

from imgsrv.imaging.apart.pictures import read_apart, save_apart
from imgsrv.imaging.apart.pool import is_warm
from imgsrv.imaging.formats.format import EncoderSettings, Fitness, Format, Options
from imgsrv.imaging.model.picture import Frame

APART_PIXELS = 20_000
"""From this size on writing takes more than 10 ms; smaller pictures are written in the worker.  Reading never is, as
what is read comes from a client.
"""

SIZE_MARKER, FIRST_DEPTH = b"\xff\x4f\xff\x51", 42
"""The beginning of a codestream, and where the depth of its first channel stands behind it."""


def _options(settings: EncoderSettings) -> Options:
    if settings.lossless:
        return {"irreversible": False}
    # Quality 0..100 as a target of 25..50 dB, the range between visibly coded and visually lossless.
    return {"irreversible": True, "quality_mode": "dB", "quality_layers": [25 + settings.quality / 4]}


def _bit_depth(data: bytes, _image: Image.Image) -> int:
    marker = data.find(SIZE_MARKER)
    return (data[marker + FIRST_DEPTH] & 0x7F) + 1 if 0 <= marker < len(data) - FIRST_DEPTH else 0


def _read_pixels(image: Image.Image, _is_deep: bool) -> None:  # noqa: FBT001
    read_apart(image, FORMAT.name, FORMAT.decode_bytes_per_pixel)


def _save(form: Format, frame: Frame, file: BinaryIO, options: Options) -> None:
    if is_warm() and frame.width * frame.height >= APART_PIXELS:
        save_apart(frame, file, form.name, form.pillow, options, form.encode_bytes_per_pixel)
    else:
        frame.save(file, form.pillow, **options)


FORMAT = Format(
    name="jp2",
    label="JPEG 2000",
    pillow="JPEG2000",
    media_type="image/jp2",
    suffixes=(".jp2", ".j2k"),
    position=8,
    signatures=(b"\x00\x00\x00\x0cjP  \r\n\x87\n", SIZE_MARKER),
    fields=("quality", "lossless"),
    has_metadata=False,
    bit_depth=_bit_depth,
    read_pixels=_read_pixels,
    options=_options,
    save=_save,
    fitness=Fitness(photograph=0.8),
    # 31 by the script that measures; a server was seen to take 51 for RGBA.
    decode_bytes_per_pixel=51,
    encode_bytes_per_pixel=60,
)
