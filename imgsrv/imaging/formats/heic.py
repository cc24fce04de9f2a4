"""HEIC by pillow-heif, through libheif; the extra `heif` brings it."""

from __future__ import annotations

from functools import cache

from PIL import Image

from imgsrv.imaging.formats.format import EncoderSettings, Fitness, Format, Options, scaled_effort
from imgsrv.imaging.formats.iso_media import has_brand

BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")

PRESETS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow",
)  # fmt: skip
"""Efforts of x265, by its own names; `medium` takes half the time of `slow`, which is libheif's own choice."""


@cache
def _register() -> None:
    import pillow_heif  # noqa: PLC0415  an optional wheel

    # An engine owns one core.  Thumbnails and maps of depth are not the picture.
    pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)


def _options(settings: EncoderSettings) -> Options:
    preset = "medium" if settings.effort is None else PRESETS[scaled_effort(settings.effort, len(PRESETS) - 1)]
    # Without pools x265 works on the engine's own core.
    encoder = {"preset": preset, "x265:pools": "none", "x265:frame-threads": "1"}
    if settings.lossless:
        return {"enc_params": encoder, "quality": -1, "chroma": 444, "matrix_coefficients": 0}
    chroma = int(settings.subsampling.replace(":", ""))
    return {"enc_params": encoder, "quality": settings.quality, "chroma": chroma}


def _bit_depth(_data: bytes, image: Image.Image) -> int:
    found = image.info.get("bit_depth")
    return found if isinstance(found, int) else 0


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
    # AVIF stands before it and is asked first: it may name the brand mif1 as well.
    begins=lambda head: has_brand(head, BRANDS),
    fields=("quality", "lossless", "effort", "subsampling", "icc"),
    max_side=16_384,
    is_upright=True,
    bit_depth=_bit_depth,
    options=_options,
    fitness=Fitness(photograph=1, drawing=0.5),
    decode_bytes_per_pixel=28,
    encode_bytes_per_pixel=74,
)
