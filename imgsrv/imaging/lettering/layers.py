"""A text in its colours as a layer for pictures, which is kept: many pictures get the same text."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

from imgsrv.imaging.lettering.lines import Writer
from imgsrv.imaging.lettering.masks import Block
from imgsrv.imaging.lettering.typeface import Typeface
from imgsrv.imaging.memory.kept import Kept
from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.parameter_types import OPAQUE, Colour
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.pixels.composite import composite

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KEPT_BLOCKS_BYTES = 1 << 20
"""Bytes of shaped texts that a process keeps."""

KEPT_LAYERS_BYTES = 4 << 20
"""Bytes of painted texts that a process keeps."""

LETTER_BYTES, GLYPH_BYTES = 4, 512
"""At most those of a letter of a text, and of a glyph with its place and its box."""


class Written(NamedTuple):
    """What is written: the fonts, the first for all that it has, the size in pixels, the text, and its lines.

    widest: of a line, in pixels.
    """

    chain: tuple[Typeface, ...]
    size: int
    text: str
    widest: float
    align: str


class Look(NamedTuple):
    """How it is painted.  outline, shadow: its width and its offset in pixels, 0 for none."""

    colour: Colour
    outline: int
    outline_colour: Colour
    shadow: int
    shadow_colour: Colour


def text_layer(written: Written, look: Look, most: Size) -> Frame:
    """The text as a layer (RGBA) of its own size, cut to the size `most` at its right and bottom.

    Nobody may change it: the next picture gets the same one.
    """
    block = _BLOCKS.of(written, lambda: _block(written))
    left, top, right, bottom = block.ink
    around = 2 * look.outline + look.shadow
    size = max(1, min(most[0], right - left + around)), max(1, min(most[1], bottom - top + around))
    return _LAYERS.of((written, look, size), lambda: _painted(block, look, size))


def _block(written: Written) -> Block:
    writer = Writer(written.chain, written.size)
    lines = list(writer.lines(written.text, written.widest))
    return Block(lines, writer.fonts, written.size, written.align)


def _painted(block: Block, look: Look, size: Size) -> Frame:
    """The shadow, the outline and the letters, over each other."""
    left, top = (start - look.outline for start in block.ink[:2])
    box = left, top, left + size[0], top + size[1]
    letters = block.mask(box)
    around = block.outlined(box, look.outline, letters) if look.outline else letters
    layers = [(look.shadow_colour, around, look.shadow)] if look.shadow else []
    if look.outline:
        layers.append((look.outline_colour, around, 0))
    (layer, *above) = (_tinted(*each) for each in (*layers, (look.colour, letters, 0)))
    for each in above:
        layer = composite(layer, each)
    return layer


def _tinted(colour: Colour, mask: NDArray[np.uint8], offset: int) -> Frame:
    """The mask in a colour, moved to the right and down."""
    alpha = Image.fromarray(mask)
    if offset:
        moved = Image.new("L", alpha.size)
        moved.paste(alpha, (offset, offset))
        alpha = moved
    layer = Image.new("RGBA", alpha.size, colour[:3])
    layer.putalpha(alpha if colour.is_opaque else alpha.point(_levels(colour.alpha)))
    return layer


@lru_cache(OPAQUE)
def _levels(alpha: int) -> list[int]:
    """The opacity of each level of a mask in a colour of this alpha."""
    return [round(level * alpha / OPAQUE) for level in range(OPAQUE + 1)]


def _block_bytes(written: Written, block: Block) -> int:
    return LETTER_BYTES * len(written.text) + GLYPH_BYTES * len(block)


def _layer_bytes(key: tuple[Written, Look, Size], layer: Frame) -> int:
    return LETTER_BYTES * len(key[0].text) + 4 * layer.width * layer.height


_BLOCKS: Kept[Written, Block] = Kept(KEPT_BLOCKS_BYTES, _block_bytes)
_LAYERS: Kept[tuple[Written, Look, Size], Frame] = Kept(KEPT_LAYERS_BYTES, _layer_bytes)
