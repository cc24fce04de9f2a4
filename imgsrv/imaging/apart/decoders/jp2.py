"""JPEG 2000 by OpenJPEG: the components of a codestream as pixels.

Samples become 8 or 16 bits by their own depth, v · most / (2^bits − 1), rounded.  A subsampled component is repeated,
as `opj_decompress -upsample` does.  Sources: ISO/IEC 15444-1 (codestream, palette, channels) and IEC 61966-2-1, annex F
(sYCC: full range, with the matrix of ITU-R BT.601).
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from imgsrv.imaging.apart.decoders.openjpeg import Component, library, opened
from imgsrv.imaging.apart.tasks import Decoded, Decoder, Order

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS = 128
"""Rows that are worked on at a time, so that intermediate numbers take little memory."""

MOST_8, MOST_16 = 255, 65_535

Box = tuple[int, int, int, int]
"""Left, top, right and bottom on the grid."""

MOST_TILES = 4096
"""A picture of more tiles is decoded at once."""

MOST_TABLE_BITS = 16
"""Samples of more bits are not looked up in a table."""

MOST_LIGHTNESS = 100

RED_CR, GREEN_CB, GREEN_CR, BLUE_CB = 1.402, -0.344136, -0.714136, 1.772
"""Y'CbCr to R'G'B' of BT.601."""

TINY_ORDER: Order = {
    "mode": "L", "size": (1, 1), "codestream": 0, "reduce": 0, "grid": (0, 0, 1, 1), "depths": ((8, False),),
    "channels": ((0, None),), "colour_count": 1, "palette": (), "colours": "plain", "is_premultiplied": False,
    "is_subsampled": False, "tile": (0, 0, 1, 1), "is_lenient": False, "lab": (),
}  # fmt: skip
"""For one grey pixel."""


def prepare() -> Decoder:
    """Make the decoder ready."""
    if library() is None:
        import_module("imagecodecs").jpeg2k_decode(_tiny())
    list(decode(_tiny(), TINY_ORDER).pieces())
    return decode


def _tiny() -> bytes:
    file = io.BytesIO()
    Image.new("L", (1, 1)).save(file, "JPEG2000", no_jp2=True)
    return file.getvalue()


def decode(data: bytes, order: Order) -> Decoded:
    """The pixels of a codestream.

    order: mode and size; codestream: where it begins; reduce: how often it is halved; grid: left, top, right and bottom
    of the picture; tile: left, top, width and height of the first tile; depths: bits of each component and whether it
    has a sign; is_subsampled: some component is;
    channels: the component of each colour, then of alpha, with the column of the palette or None; colour_count: how
    many of them are colours; palette: the bits and the values of each column; colours: `plain`, `sycc`, `cmy` or
    `lab`; lab: range and zero of each of its channels;
    is_premultiplied: alpha has been multiplied into the colours; is_lenient: what is there of a file that is cut off.
    """
    if library() is None:
        return _without_library(data, order)
    expected = (tuple(order["grid"]), len(order["depths"]))
    boxes = _tiles(order)
    if not boxes:
        return Decoded(_strips(data, order, expected))
    canvas = _Canvas(order)
    try:
        with opened(data, order["codestream"], order["reduce"], expected, is_lenient=order["is_lenient"]) as codestream:
            for number, box in enumerate(boxes):
                canvas.fill(codestream.tile(number), box)
    except ValueError:
        # The library finds no tile by its number whose parts do not follow one another.
        return Decoded(_strips(data, order, expected))
    return canvas.decoded()


def _strips(data: bytes, order: Order, expected: tuple[tuple[int, ...], int]) -> Iterator[memoryview]:
    """The pixels some rows at a time.  The samples of rows that are done are given back."""
    with opened(data, order["codestream"], order["reduce"], expected, is_lenient=order["is_lenient"]) as codestream:
        components = codestream.whole()
        strips = _Strips(components, order, order["grid"], tuple(order["size"][::-1]))
        for rows in strips.all():
            yield strips.pixels(rows).data.cast("B")
            if not order["is_subsampled"] and not order["reduce"]:
                for component in components:
                    component.give_back(rows.stop)


def _without_library(data: bytes, order: Order) -> Decoded:
    """The same by imagecodecs, which gives components of one size and depth only.  Raises ValueError for others."""
    if order["is_subsampled"] or order["reduce"]:
        raise ValueError("its components are of different sizes, for which no shared library of OpenJPEG is found")
    made = import_module("imagecodecs").jpeg2k_decode(data[order["codestream"] :])
    planes = made.reshape(*made.shape[:2], -1)
    left, top = order["grid"][:2]
    components = [
        Component(planes[..., index].astype(np.int32), left, top, 1, 1, bits, is_signed)
        for index, (bits, is_signed) in enumerate(order["depths"])
    ]
    strips = _Strips(components, order, order["grid"], tuple(order["size"][::-1]))
    return Decoded(strips.pixels(rows).data.cast("B") for rows in strips.all())


def _tiles(order: Order) -> list[Box]:
    """Left, top, right and bottom of the tiles where they can be decoded one by one, which takes less memory."""
    left, top, right, bottom = order["grid"]
    tile_left, tile_top, width, height = order["tile"]
    # A sample of a subsampled component may belong to pixels of two tiles.
    if order["reduce"] or order["is_subsampled"]:
        return []
    columns = [tile_left + width * at for at in range(min(MOST_TILES, -(-(right - tile_left) // width)) + 1)]
    rows = [tile_top + height * at for at in range(min(MOST_TILES, -(-(bottom - tile_top) // height)) + 1)]
    if not 1 < (len(columns) - 1) * (len(rows) - 1) < MOST_TILES:
        return []
    return [
        (max(left, across), max(top, down), min(right, across + width), min(bottom, down + height))
        for down in rows[:-1]
        for across in columns[:-1]
    ]


class _Canvas:
    """The pixels in the mode and size of the order, filled box by box."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._pixels: NDArray[Any] | None = None

    def decoded(self) -> Decoded:
        """The result.  Raises ValueError where nothing has been filled."""
        if self._pixels is None:
            raise ValueError("it has no pixels")
        return Decoded(self._pixels.data.cast("B"))

    def fill(self, components: Sequence[Component], box: Box) -> None:
        """Fill a box of the grid."""
        left, top = (box[side] - self._order["grid"][side] for side in (0, 1))
        shape = box[3] - box[1], box[2] - box[0]
        strips = _Strips(components, self._order, box, shape)
        for rows in strips.all():
            made = strips.pixels(rows)
            if self._pixels is None:
                width, height = self._order["size"]
                self._pixels = np.empty((height, width, made.shape[2]), made.dtype)
            self._pixels[top + rows.start : top + rows.stop, left : left + shape[1]] = made


class _Strips:
    """The pixels of a box of the grid, some rows at a time.  shape: rows and columns of its pixels."""

    def __init__(self, components: Sequence[Component], order: Order, box: Box, shape: tuple[int, int]) -> None:
        self._order, self._shape = order, shape
        mode = order["mode"]
        self._most = MOST_16 if mode.endswith(";16") else MOST_8
        self._dtype: type[np.uint8 | np.uint16] = np.uint16 if mode.endswith(";16") else np.uint8
        self._count = {"L": 1, "I;16": 1, "LA": 2, "RGB": 3, "RGB;16": 3, "LAB": 3}.get(mode, 4)
        self._channels = [_Channel(components[part], order, column, box, shape) for part, column in order["channels"]]
        is_plain = order["colours"] == "plain" and not order["is_premultiplied"]
        self._is_plain = is_plain and len(self._channels) == self._count

    def all(self) -> Iterator[slice]:
        """The rows of each strip."""
        height = self._shape[0]
        return (slice(first, min(height, first + ROWS)) for first in range(0, height, ROWS))

    def pixels(self, rows: slice) -> NDArray[Any]:
        """The pixels of a strip, (H, W, channels)."""
        channels, most = self._channels, self._most
        out = np.empty((rows.stop - rows.start, self._shape[1], self._count), self._dtype)
        if self._is_plain:
            for index, channel in enumerate(channels):
                out[..., index] = channel.levels(rows, most)
            return out
        # Colours need numbers between the levels.
        exact = _coloured([channel.exact(rows, most) for channel in channels], channels, self._order, most)
        for index, plane in enumerate(_in_mode(exact, self._order, most, self._count)):
            out[..., index] = np.rint(plane.clip(0, most))
        return out


def _coloured(levels: list[NDArray[Any]], channels: Sequence[_Channel], order: Order, most: int) -> list[NDArray[Any]]:
    """The channels with straight alpha, and colours as red, green and blue where they are in sYCC or CMY.

    CIELab becomes bytes: lightness of 255, and a and b with a sign.
    """
    count = order["colour_count"]
    colours, alpha = levels[:count], levels[count:]
    if order["is_premultiplied"] and alpha:
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = np.where(alpha[0] > 0, most / alpha[0], 0)
        colours = [(plane * factor).clip(0, most) for plane in colours]
    if order["colours"] == "cmy":
        colours = [most - plane for plane in colours]
    elif order["colours"] == "lab":
        lightness, *rest = (
            reach * (plane / most - zero) for plane, (reach, zero) in zip(colours, order["lab"], strict=True)
        )
        # As Pillow has it: a and b with a sign.
        colours = [lightness * (most / MOST_LIGHTNESS), *(np.rint(plane.clip(-128, 127)) % 256 for plane in rest)]
    elif order["colours"] == "sycc":
        luma, blue, red = colours[0], *(colours[index] - channels[index].middle(most) for index in (1, 2))
        colours = [luma + RED_CR * red, luma + GREEN_CB * blue + GREEN_CR * red, luma + BLUE_CB * blue]
        colours = [plane.clip(0, most) for plane in colours]
    return [*colours, *alpha]


def _in_mode(levels: list[NDArray[Any]], order: Order, most: int, count: int) -> list[NDArray[Any]]:
    """As many channels as the mode has: grey as three, without alpha as opaque."""
    colours, alpha = levels[: order["colour_count"]], levels[order["colour_count"] :]
    if order["mode"] in ("RGB;16", "RGBA;16") and len(colours) == 1:
        colours = colours * 3
    if len(colours) + len(alpha) < count:
        alpha = [np.full_like(colours[0], most)]
    return [*colours, *alpha][:count]


class _Channel:
    """A component, or a column of the palette by it, at the size of the picture."""

    def __init__(
        self, component: Component, order: Order, column: int | None, box: Box, shape: tuple[int, int]
    ) -> None:
        """shape: rows and columns of the box."""
        height, width = shape
        self._component = component
        self._columns = _places(width, box[0], component.dx, component.left, component.samples.shape[1])
        self._rows = _places(height, box[1], component.dy, component.top, component.samples.shape[0])
        if order["reduce"]:
            # Such components have no subsampling.  One more column and row is for the border of a smaller scale.
            self._columns, self._rows = (
                np.arange(side).clip(0, most - 1)
                for side, most in ((width, component.samples.shape[1]), (height, component.samples.shape[0]))
            )
        self._is_whole = component.samples.shape == shape and component.dx == component.dy == 1
        self._palette = None if column is None else np.asarray(order["palette"][column][1], np.float64)
        self._bits: int = component.bits if column is None else order["palette"][column][0]
        is_signed = component.is_signed and column is None
        self._offset = 1 << (self._bits - 1) if is_signed else 0
        self._tables: dict[int, NDArray[np.float64]] = {}

    def middle(self, most: int) -> float:
        """The level of the middle of its range, which is no colour in the differences of sYCC."""
        return (1 << (self._bits - 1)) * most / ((1 << self._bits) - 1)

    def levels(self, rows: slice, most: int) -> NDArray[Any]:
        """Its levels, 0 to `most`, in some rows of the picture."""
        if self._palette is None and not self._offset and (1 << self._bits) - 1 == most:
            return self._samples(rows)
        return np.rint(self.exact(rows, most))

    def exact(self, rows: slice, most: int) -> NDArray[np.float64]:
        """The same, not rounded."""
        samples = self._samples(rows) + self._offset
        if self._bits > MOST_TABLE_BITS and self._palette is None:
            return np.multiply(samples, most / ((1 << self._bits) - 1))
        if most not in self._tables:
            values = np.arange(1 << self._bits, dtype=np.float64) if self._palette is None else self._palette
            self._tables[most] = np.asarray(values * (most / ((1 << self._bits) - 1)), np.float64)
        return self._tables[most].take(samples, mode="clip")

    def _samples(self, rows: slice) -> NDArray[np.int32]:
        found = self._component.samples
        if self._is_whole:
            return found[rows]
        return found[self._rows[rows]][:, self._columns]


def _places(side: int, start: int, step: int, first: int, count: int) -> NDArray[np.intp]:
    """The index of the sample for each pixel along a side.

    A sample stands at a multiple of `step`, and is repeated up to the next one.  first: number of the first sample.
    """
    return np.asarray(((np.arange(side) + start) // step - first).clip(0, count - 1), np.intp)
