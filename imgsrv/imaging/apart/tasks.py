"""The tasks of a helper process, by their names: each from a job's bytes and its order to the bytes of a result.

Each module is loaded, and each codec used once, before the process gives up its files: afterwards nothing can be
imported.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

Order = Mapping[str, Any]
"""Parameters of a job, beside its bytes."""

Result = Iterable[bytes | memoryview]
"""The bytes of a result, in parts, which may be made while they are taken."""

Task = Callable[[bytes, Order], Result]


@dataclass(frozen=True, slots=True)
class Decoded:
    """The result of a decoder.

    pixels: row by row, in the mode and size of the order; 16 bits in the byte order of the machine.  All at once, or
        some rows at a time, made while they are taken.
    facts: what else it has learned; a few short values that JSON holds.  profile: an ICC profile.
    """

    pixels: bytes | memoryview | Iterator[memoryview]
    facts: Mapping[str, Any] = field(default_factory=dict)
    profile: bytes = b""

    def pieces(self) -> Iterator[bytes | memoryview]:
        """The pixels in one piece or several."""
        return iter((self.pixels,)) if isinstance(self.pixels, bytes | memoryview) else self.pixels


Decoder = Callable[[bytes, Order], Decoded]
"""From a file and an order, which has at least the `mode` and the `size` that are expected, to the pixels.

Raises any exception, with a text for people, for a file that it cannot read so.
"""

DECODERS = {
    "avif": "imgsrv.imaging.apart.decoders.avif",
    "brotli": "imgsrv.imaging.apart.decoders.brotli",
    "jp2": "imgsrv.imaging.apart.decoders.jp2",
    "jxl": "imgsrv.imaging.apart.decoders.jxl",
    **{name: f"imgsrv.imaging.apart.decoders.plain.{name}" for name in ("hdr", "jpeg12", "pnm", "psd", "qoi", "tga")},
    "pdf": "imgsrv.imaging.apart.decoders.pdf",
    "raw": "imgsrv.imaging.apart.decoders.raw",
    "tiff": "imgsrv.imaging.apart.decoders.tiff.decoder",
}
"""Modules of decoders by the names of their tasks.  Each has a function `prepare() -> Decoder`, which imports what the
decoder needs and decodes something small: afterwards nothing can be imported."""

FACTS_LENGTH = struct.Struct("=I")
"""Between the pixels and the facts; the profile follows them."""

FONT_FAMILY = "Source Sans Pro"
"""The font of texts in fonts that are not installed."""

TRIED = {"format": "JPEG2000", "mode": "RGB", "size": (1, 1), "options": {"irreversible": True}}
"""The order of a pixel in the one format that Pillow writes here; it loads what the codec needs."""


def prepare(names: Sequence[str], fonts: Sequence[str]) -> dict[str, Task]:
    """Make the tasks ready.  fonts: the files of the fonts for drawings.  Raises OSError or ImportError."""
    tasks = _drawing(fonts) if "draw" in names else {}
    if {"decode", "encode"} & set(names):
        tasks |= _codecs()
    return tasks | {name: _decoding(name) for name in names if name in DECODERS}


@cache
def decoder(name: str) -> Decoder:
    """Return the decoder of a task, made ready on first use."""
    made: Decoder = import_module(DECODERS[name]).prepare()
    return made


def _decoding(name: str) -> Task:
    decode = decoder(name)

    def task(data: bytes, order: Order) -> Result:
        decoded = decode(data, order)
        facts = json.dumps(decoded.facts).encode()
        return chain(decoded.pieces(), (FACTS_LENGTH.pack(len(facts)), facts, decoded.profile))

    return task


def _codecs() -> dict[str, Task]:
    """Tasks that read and write pictures by Pillow: `decode` and `encode`."""
    from PIL import Image  # noqa: PLC0415  a process for drawings alone starts faster without it

    # The caller has checked the limits.
    Image.MAX_IMAGE_PIXELS = None

    def decode(data: bytes, order: Order) -> Result:
        """The pixels.  order: Pillow's name of the format, and the mode and size that the caller expects."""
        with Image.open(io.BytesIO(data), formats=[order["format"]]) as image:
            image.load()
            if (image.mode, image.size) != (order["mode"], order["size"]):
                raise ValueError("its pixels are of another size or kind than its header says")
            return [image.tobytes()]

    def encode(data: bytes, order: Order) -> Result:
        """The file.  order: Pillow's name of the format, the mode and size of the pixels, and the encoder's options."""
        file = io.BytesIO()
        Image.frombytes(order["mode"], order["size"], data).save(file, order["format"], **order["options"])
        return [file.getvalue()]

    decode(b"".join(encode(b"rgb", TRIED)), TRIED)
    return {"decode": decode, "encode": encode}


def _drawing(fonts: Sequence[str]) -> dict[str, Task]:
    """The task that draws an SVG: `draw`; none where the extra is not installed."""
    if find_spec("resvg") is None:
        return {}
    from resvg import render, usvg  # noqa: PLC0415  it belongs to an extra

    options = usvg.Options.default()
    for font in fonts:
        options.load_font_data(Path(font).read_bytes())
    options.font_family = FONT_FAMILY
    # Relative paths are looked up in this folder, which is none.
    options.resources_dir = "/dev/null"

    def draw(data: bytes, order: Order) -> Result:
        """A PNG of the drawing.  order: its size in pixels, and the scale in both directions."""
        try:
            tree = usvg.Tree.from_str(data.decode(), options)
        except BaseException as error:  # noqa: BLE001  resvg raises a BaseException where it gives up
            # The message is such as "…: ParsingFailed(NodesLimitReached)".
            raise ValueError(f"it cannot be drawn: {str(error).rpartition(': ')[2]}") from None
        across, down = order["scale"]
        return [bytes(render(tree, (across, 0, 0, 0, down, 0), bg_size=order["size"]))]

    return {"draw": draw}
