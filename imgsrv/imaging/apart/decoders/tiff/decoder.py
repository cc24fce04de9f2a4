"""The pixels of one picture of a TIFF: strip by strip or tile by tile, each scaled at once to its levels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imgsrv.imaging.apart.decoders.tiff import codecs
from imgsrv.imaging.apart.decoders.tiff.colours import coloured, finished, rgb_of_ycbcr
from imgsrv.imaging.apart.decoders.tiff.layout import Layout
from imgsrv.imaging.apart.decoders.tiff.samples import levels, row_bytes, unpacked
from imgsrv.imaging.apart.decoders.tiff.tags import NONE, OF_PICTURES
from imgsrv.imaging.apart.tasks import Decoded, Decoder, Order
from imgsrv.imaging.lazy import np
from imgsrv.imaging.pixels.bit_depths import make_straight

if TYPE_CHECKING:
    from numpy.typing import NDArray

BAND_BYTES = 1 << 20
"""Samples that are converted at a time, in bytes of the file."""


def prepare() -> Decoder:
    """Load the codecs."""
    codecs.prepare()
    return _decode


def _decode(data: bytes, order: Order) -> Decoded:
    """Decode the picture.  order: its `layout`, its `page` counted from 0, and the `mode` that is wanted."""
    layout, mode = order["layout"], order["mode"]
    if layout.is_of_libtiff:
        return Decoded(codecs.by_libtiff(data, order["page"], mode).data.cast("B"))
    return Decoded(decoded(data, layout, mode))


@dataclass(frozen=True, slots=True)
class _Part:
    """A strip or tile, or a band of one.

    top, left: where it begins in the picture.  rows, columns: that are needed.  data: of the file.  plane: the sample
    that it has alone, or None.
    """

    top: int
    left: int
    rows: int
    columns: int
    data: memoryview
    plane: int | None


def decoded(data: Any, layout: Layout, mode: str) -> Iterator[memoryview]:
    """The pixels in the mode, as levels of 8 or 16 bits, some rows at a time from top to bottom.

    data: the whole file, or a buffer of it.  Raises ValueError for a broken file and what codecs raise.
    """
    for top, rows, parts in _rows(data, layout):
        yield _finished(parts, top, rows, layout, mode).data.cast("B")


def _finished(parts: Iterable[_Part], top: int, rows: int, layout: Layout, mode: str) -> NDArray[Any]:
    """The pixels of some rows, of all parts that they have."""
    depth = np.uint16 if mode.endswith(";16") else np.uint8
    channels = layout.colour_channels + mode.startswith("RGBA")
    # Colours are divided by alpha before they are reduced to 8 bits.
    inner = np.uint16 if layout.is_associated and layout.bits > 8 and layout.is_deep else depth  # noqa: PLR2004
    pixels: Any = np.zeros((rows, layout.size[0], channels), inner)
    for part in parts:
        try:
            if part.data:
                _put(pixels[part.top - top :], part, layout)
        except (ValueError, RuntimeError):  # codecs raise children of RuntimeError
            if not layout.is_lenient:
                raise
    if layout.is_associated and channels > layout.colour_channels:
        make_straight(pixels)
    pixels = finished(pixels, layout, mode)
    if pixels.dtype != depth:
        pixels = ((pixels.astype(np.uint32) * 255 + 32_895) >> 16).astype(np.uint8)  # value / 257, rounded
    return np.ascontiguousarray(pixels)


def _rows(data: Any, layout: Layout) -> Iterator[tuple[int, int, Iterable[_Part]]]:
    """Where some rows begin, how many they are, and the parts that they have, from top to bottom."""
    view = memoryview(data)
    across, down = layout.grid
    for row in range(down):
        top = row * layout.segment[1]
        rows = min(layout.segment[1], layout.size[1] - top)
        if across == 1 and not layout.is_planar:
            part = _part(view, layout, row, 0, None)
            if part is None:
                yield top, rows, ()
            else:
                yield from ((band.top, band.rows, (band,)) for band in _bands(part, layout))
        else:
            yield top, rows, _parts(view, layout, row)


def _parts(view: memoryview, layout: Layout, row: int) -> Iterator[_Part]:
    """The parts of a row of strips or tiles, in all planes."""
    planes: list[int | None] = [*range(layout.colours)] if layout.is_planar else [None]
    if layout.is_planar and layout.alpha is not None:
        planes.append(layout.alpha)
    for plane in planes:
        for column in range(layout.grid[0]):
            if part := _part(view, layout, row, column, plane):
                yield from _bands(part, layout)


def _part(view: memoryview, layout: Layout, row: int, column: int, plane: int | None) -> _Part | None:
    """One strip or tile; None for one that is left out.  Raises ValueError for one beyond the file."""
    across, down = layout.grid
    at = ((plane or 0) * down + row) * across + column
    offset, count = int(layout.offsets[at]), int(layout.counts[at])
    top, left = row * layout.segment[1], column * layout.segment[0]
    needed = min(layout.segment[1], layout.size[1] - top), min(layout.segment[0], layout.size[0] - left)
    is_left_out = not offset and not count  # GDAL leaves out what is zero everywhere
    if is_left_out or (layout.is_lenient and offset >= len(view)):
        return None
    if offset >= len(view):
        raise ValueError("a strip or tile begins behind the end of the file")
    # Without compression, what is needed counts, and not what the file says.
    end = offset + count if count and layout.compression != NONE else len(view)
    return _Part(top, left, *needed, view[offset:end], plane)


def _bands(part: _Part, layout: Layout) -> Iterator[_Part]:
    """Parts of some rows each, with the bytes of their samples; as it is, one that is not decoded row by row."""
    if layout.is_subsampled or layout.compression in OF_PICTURES:
        yield part
        return
    size = row_bytes(layout, layout.segment[0], 1 if layout.is_planar else layout.samples)
    octets = memoryview(codecs.octets(part.data, layout, part.rows * size, layout.segment[1] * size))
    rows = max(1, BAND_BYTES // size)
    for top in range(0, part.rows, rows):
        least = min(rows, part.rows - top)
        yield _Part(
            part.top + top, part.left, least, part.columns, octets[top * size : (top + least) * size], part.plane
        )


def _put(pixels: Any, part: _Part, layout: Layout) -> None:
    """Decode the part and put its levels where they belong.  pixels: of whole rows, from the first one of the part."""
    samples = 1 if part.plane is not None else layout.samples
    numbers = _numbers(part, layout, samples)[: part.rows, : part.columns]
    place = pixels[: part.rows, part.left : part.left + part.columns]
    depth = pixels.dtype.type
    if part.plane is not None:
        _put_plane(place, part.plane, numbers[..., 0], layout)
        return
    found = coloured(numbers[..., : layout.colours], layout, depth)
    colours = levels(numbers[..., : layout.colours], layout, depth) if found is None else found
    place[..., : colours.shape[2]] = colours
    if layout.alpha is not None and place.shape[2] > colours.shape[2]:
        place[..., -1] = levels(numbers[..., layout.alpha], layout, depth)


def _put_plane(place: Any, plane: int, numbers: Any, layout: Layout) -> None:
    depth = place.dtype.type
    if plane == layout.alpha:
        if place.shape[2] > layout.colour_channels:
            place[..., -1] = levels(numbers, layout, depth)
        return
    if layout.colour_map is not None:
        found = coloured(numbers[..., None], layout, depth)
        place[..., :3] = found
    elif layout.is_lab:
        triple = np.zeros((*numbers.shape, 3), numbers.dtype)
        triple[..., plane] = numbers
        lab = coloured(triple, layout, depth)
        place[..., plane] = lab[..., plane] if lab is not None else 0
    else:
        place[..., plane] = levels(numbers, layout, depth)


def _numbers(part: _Part, layout: Layout, samples: int) -> NDArray[Any]:
    """The samples of a part: (rows, columns, samples), at least those that are needed."""
    width, height = layout.segment
    if layout.is_subsampled:
        return _plane(part, layout) if layout.is_planar else _units(part, layout)
    if layout.compression in OF_PICTURES:
        whole = height if layout.is_tiled else part.rows
        found = _picture(part, layout, (whole, width, samples), height)
    else:
        found = unpacked(part.data, layout, (part.rows, width, samples))
    return _with_rgb(found, layout) if layout.is_ycbcr and not layout.is_planar else found


def _picture(part: _Part, layout: Layout, shape: tuple[int, int, int], most_rows: int) -> NDArray[Any]:
    """The samples of a part whose codec is one of pictures; the chroma of a JPEG in planes may have fewer of them."""
    is_chroma = layout.is_ycbcr and layout.is_planar and part.plane in (1, 2)
    across, down = layout.subsampling if is_chroma else (1, 1)
    rows, columns, samples = -(-shape[0] // down), -(-shape[1] // across), shape[2]
    found = codecs.picture(part.data, layout, (rows, columns, samples), (-(-most_rows // down), columns, samples))
    return np.repeat(np.repeat(found, down, axis=0), across, axis=1) if is_chroma else found


def _plane(part: _Part, layout: Layout) -> NDArray[Any]:
    """Luma or chroma in a plane of its own, which may have fewer samples; each is repeated."""
    across, down = layout.subsampling if part.plane in (1, 2) else (1, 1)
    rows, columns = -(-part.rows // down), -(-layout.segment[0] // across)
    most = -(-layout.segment[1] // down) * columns
    found = unpacked(codecs.octets(part.data, layout, rows * columns, most), layout, (rows, columns, 1))
    return np.repeat(np.repeat(found, down, axis=0), across, axis=1)


def _with_rgb(numbers: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """The samples with RGB in place of luma and chroma."""
    if numbers.shape[2] > layout.colours:
        return np.concatenate((rgb_of_ycbcr(numbers, layout), numbers[..., layout.colours :]), axis=2)
    return np.asarray(rgb_of_ycbcr(numbers, layout))


def _units(part: _Part, layout: Layout) -> NDArray[Any]:
    """RGB of luma and chroma that lie in units of some luma samples and one of each chroma (section 21)."""
    across, down = layout.subsampling
    units = -(-layout.segment[0] // across)
    unit = across * down + 2
    rows = -(-(layout.segment[1] if layout.is_tiled else part.rows) // down)
    most = -(-layout.segment[1] // down) * units * unit
    octets = codecs.octets(part.data, layout, rows * units * unit, most)
    data = np.frombuffer(octets, np.uint8, rows * units * unit).reshape(rows, units, unit)
    luma = data[..., :-2].reshape(rows, units, down, across).swapaxes(1, 2).reshape(rows * down, units * across)
    chroma = (np.repeat(np.repeat(data[..., at], down, axis=0), across, axis=1) for at in (-2, -1))
    return np.asarray(rgb_of_ycbcr(np.stack((luma, *chroma), axis=2), layout))
