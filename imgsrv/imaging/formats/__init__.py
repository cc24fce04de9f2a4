"""FORMATS: every picture format, what it can hold and how Pillow is asked to write it.

A row is all there is to a format.  `options` turns an Output into the keyword arguments of Pillow's encoder.  KNOWN
has all rows; FORMATS those whose codecs are there, for some come with an extra.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imgsrv.imaging.codecs.output import Output

EFFORT_STEPS = 9
"""`effort` is 0 (fastest) to 9 (smallest) for every format; a row maps it onto the encoder's own scale."""


HIGHEST_QUALITY = 100


@dataclass(frozen=True, slots=True)
class Format:
    """One picture format.

    fields: output parameters this format has a use for, beside format, background and metadata.
    options: None for a format that is read only.
    extra: a key of EXTRAS that brings the codec, empty where it is always there.
    max_side: most pixels along one side that the encoder writes and this server reads again.
    max_duration_ms: longest time that one frame of an animation can stand.
    """

    label: str
    pillow: str
    media_type: str
    suffixes: tuple[str, ...]
    fields: tuple[str, ...]
    options: Callable[[Output], Mapping[str, Any]] | None
    has_alpha: bool = True
    has_animation: bool = False
    has_metadata: bool = True
    max_side: int = 65_535
    max_duration_ms: int = 16_777_215
    extra: str = ""

    @property
    def is_written(self) -> bool:
        """Pictures can be saved in it."""
        return self.options is not None


def _scaled(effort: int, highest: int) -> int:
    return round(effort * highest / EFFORT_STEPS)


def asks_for_tables(effort: int | None) -> bool | None:
    """Whether a JPEG is to have Huffman tables of its own; None leaves it to its size."""
    return None if effort is None else effort > 0


def _jpeg(output: Output) -> Mapping[str, Any]:
    return {
        "quality": output.quality,
        "subsampling": output.subsampling,
        "progressive": output.progressive,
        "optimize": asks_for_tables(output.effort),
    }


def _png(output: Output) -> Mapping[str, Any]:
    return {"compress_level": 6 if output.effort is None else output.effort}


def _webp(output: Output) -> Mapping[str, Any]:
    # Of Pillow's own choice, 4, this takes 0.42 of the time for 1.035 of the bytes (14 pictures at quality 80).
    method = 2 if output.effort is None else _scaled(output.effort, 6)
    # In lossless mode Pillow's quality is the effort of the search; 50 is a fair middle at any method.
    return {
        "quality": 50 if output.lossless else output.quality,
        "lossless": output.lossless,
        "method": method,
    }


def _avif(output: Output) -> Mapping[str, Any]:
    speed = 8 if output.effort is None else 10 - output.effort
    lossy = {"quality": output.quality, "subsampling": output.subsampling}
    lossless = {"quality": 100, "subsampling": "4:4:4"} if output.lossless else lossy
    # One thread: an engine owns one core, and a second picture has more use for the next one.
    return {"speed": speed, "max_threads": 1, **lossless}


def _jp2(output: Output) -> Mapping[str, Any]:
    if output.lossless:
        return {"irreversible": False}
    # Quality 0..100 as a target of 25..50 dB, the range between visibly coded and visually lossless.
    return {"irreversible": True, "quality_mode": "dB", "quality_layers": [25 + output.quality / 4]}


def _tiff(_output: Output) -> Mapping[str, Any]:
    return {"compression": "tiff_adobe_deflate"}


HEIC_PRESETS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow",
)  # fmt: skip
"""What x265 calls its efforts; `medium` takes half the time of `slow`, which is libheif's own choice."""


def _heic(output: Output) -> Mapping[str, Any]:
    preset = "medium" if output.effort is None else HEIC_PRESETS[_scaled(output.effort, len(HEIC_PRESETS) - 1)]
    # Without pools x265 works on the engine's own core.
    encoder = {"preset": preset, "x265:pools": "none", "x265:frame-threads": "1"}
    if output.lossless:
        return {"enc_params": encoder, "quality": -1, "chroma": 444, "matrix_coefficients": 0}
    chroma = int(output.subsampling.replace(":", ""))
    return {"enc_params": encoder, "quality": output.quality, "chroma": chroma}


def _jxl(output: Output) -> Mapping[str, Any]:
    # Effort 3 takes an eighth of the time of 7, libjxl's own choice, and its files are no larger at a quality of 80.
    effort = 3 if output.effort is None else max(1, output.effort)
    # The best quality is a distance of 0, which libjxl takes from lossless files alone.
    is_exact = output.lossless or output.quality == HIGHEST_QUALITY
    return {"quality": output.quality, "lossless": is_exact, "effort": effort, "num_threads": 0}


def _plain(_output: Output) -> Mapping[str, Any]:
    return {}


KNOWN: dict[str, Format] = {
    "jpeg": Format(
        "JPEG", "JPEG", "image/jpeg", (".jpg", ".jpeg"), ("quality", "effort", "progressive", "subsampling", "icc"),
        _jpeg, has_alpha=False, max_side=65_500,
    ),
    "png": Format("PNG", "PNG", "image/png", (".png", ".apng"), ("effort", "colours", "icc"), _png, has_animation=True),
    "webp": Format(
        "WebP", "WEBP", "image/webp", (".webp",), ("quality", "lossless", "effort", "icc"), _webp,
        has_animation=True, max_side=16_383,
    ),
    "avif": Format(
        "AVIF", "AVIF", "image/avif", (".avif",), ("quality", "lossless", "effort", "subsampling", "icc"), _avif,
        has_animation=True, max_side=32_768,
    ),
    "gif": Format(
        "GIF", "GIF", "image/gif", (".gif",), ("colours",), _plain,
        has_animation=True, has_metadata=False, max_duration_ms=655_350,
    ),
    "tiff": Format("TIFF", "TIFF", "image/tiff", (".tif", ".tiff"), ("icc",), _tiff),
    "bmp": Format("BMP", "BMP", "image/bmp", (".bmp",), (), _plain, has_alpha=False, has_metadata=False),
    "jp2": Format(
        "JPEG 2000", "JPEG2000", "image/jp2", (".jp2", ".j2k"), ("quality", "lossless"), _jp2, has_metadata=False
    ),
    "ico": Format("Windows icon", "ICO", "image/x-icon", (".ico",), (), _plain, has_metadata=False, max_side=256),
    "heic": Format(
        "HEIC", "HEIF", "image/heic", (".heic", ".heif"),
        ("quality", "lossless", "effort", "subsampling", "icc"), _heic, max_side=16_384, extra="heif",
    ),
    "jxl": Format("JPEG XL", "JXL", "image/jxl", (".jxl",), ("quality", "lossless", "effort"), _jxl, extra="jxl"),
    "svg": Format("SVG", "SVG", "image/svg+xml", (".svg",), (), None, has_metadata=False, extra="svg"),
}  # fmt: skip


def _register_heif() -> None:
    import pillow_heif  # noqa: PLC0415  an optional wheel

    # An engine owns one core.  Thumbnails and maps of depth are not the picture.
    pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)


def _register_jxl() -> None:
    from imgsrv.imaging.formats import jxl  # noqa: PLC0415  an optional wheel

    jxl.register()


def _register_svg() -> None:
    from imgsrv.imaging.formats import svg  # noqa: PLC0415  only where its drawer can run

    svg.register()


EXTRAS: dict[str, tuple[str, Callable[[], None]]] = {
    "heif": ("pillow_heif", _register_heif),
    "jxl": ("pillow_jxl", _register_jxl),
    "svg": ("resvg", _register_svg),
}
"""The module that the wheel of an extra brings, and what makes Pillow use it."""


def _installed() -> frozenset[str]:
    found = {name: register for name, (module, register) in EXTRAS.items() if find_spec(module)}
    for register in found.values():
        register()
    return frozenset(found)


INSTALLED = _installed()
"""The extras that are there."""


def how_to_install(extra: str) -> str:
    """What brings it."""
    return f"pip install 'imgsrv[{extra}]'"


DEEP = ("png", "tiff")
"""Formats that 16 bits a channel are written in."""

FORMATS = {name: form for name, form in KNOWN.items() if not form.extra or form.extra in INSTALLED}

WRITTEN = {name: form for name, form in FORMATS.items() if form.is_written}
"""What a result can be in."""


def written_as(name: str) -> str:
    """What a picture of the format becomes if no other is asked for: a drawing comes out as pixels."""
    return name if name in WRITTEN else "png"


SUFFIXES = {suffix: name for name, form in FORMATS.items() for suffix in form.suffixes}

KNOWN_SUFFIXES = {suffix: name for name, form in KNOWN.items() for suffix in form.suffixes}
"""Also those of formats whose extra is not there."""
