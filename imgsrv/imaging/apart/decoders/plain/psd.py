"""The merged picture of a Photoshop document: channel behind channel, plain or in runs (PackBits, row by row)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imgsrv.imaging.apart.decoders.plain.samples import LARGEST, ROWS, empty, is_deep, levels_of_light, scaled
from imgsrv.imaging.apart.tasks import Decoded, Decoder, Order

BITMAP, INDEXED, CMYK, LAB = 0, 2, 4, 9

PLAIN, RUNS = 0, 1

XYZ_TO_SRGB = np.array(
    [[3.1338561, -1.6168667, -0.4906146], [-0.9787684, 1.9161415, 0.0334540], [0.0719453, -0.2289914, 1.4052427]]
)
"""The matrix from XYZ under D50 to light of sRGB, adapted by Bradford (Lindbloom)."""

WHITE_D50 = (0.96422, 1.0, 0.82521)

TINY: Order = {
    "start": 0, "kind": 1, "bits": 8, "channels": 1, "colours": 1, "has_alpha": False, "palette": b"",
    "transparent": None, "is_large": False, "mode": "L", "size": (1, 1),
}  # fmt: skip


def prepare() -> Decoder:
    """Make the decoder ready."""
    decode(b"\0\1\0\2\0\7", TINY)
    return decode


def decode(data: bytes, order: Order) -> Decoded:
    """The pixels.

    order: mode and size; start: where the picture begins; kind: the colour mode; bits: of a channel; channels: in the
    file; colours: how many of them are colours; has_alpha: the next one is the transparency; palette: 256 colours,
    channel by channel; transparent: the index of the transparent one, or None; is_large: lengths have four bytes.
    Raises ValueError.
    """
    planes = _planes(data, order)
    out = empty(order)
    height = order["size"][1]
    for top in range(0, height, ROWS):
        part = _part([plane[top : top + ROWS] for plane in planes], order)
        out[top : top + ROWS] = part if part.shape[2] == out.shape[2] else part[..., [0, 0, 0, 1][: out.shape[2]]]
    return Decoded(out.data.cast("B"))


def _planes(data: bytes, order: Order) -> list[NDArray[Any]]:
    """(H, W) for each channel that is shown."""
    (width, height), bits, start = order["size"], order["bits"], order["start"]
    row = (width + 7) // 8 if order["kind"] == BITMAP else width * bits // 8
    count = order["colours"] + order["has_alpha"]
    packing = int.from_bytes(data[start : start + 2], "big")
    if packing == RUNS:
        octets = _unpacked(data, order, row, count * height)
    elif packing == PLAIN:
        if len(data) < start + 2 + row * height * count:
            raise ValueError("it has fewer pixels than its header says")
        octets = np.frombuffer(data, np.uint8, row * height * count, start + 2)
    else:
        raise ValueError("its merged picture is deflated, which is not read")
    stored = octets.reshape(count, height, row)
    if order["kind"] == BITMAP:
        return [np.unpackbits(stored[0], axis=1, count=width)]
    return list(stored.view(">u2") if bits == 16 else stored)  # noqa: PLR2004


def _unpacked(data: bytes, order: Order, row: int, rows: int) -> NDArray[np.uint8]:
    """The bytes of so many rows.  In front of the rows of all channels stand their lengths."""
    kind = np.dtype(">u4" if order["is_large"] else ">u2")
    first = order["start"] + 2 + order["channels"] * order["size"][1] * kind.itemsize
    lengths = np.frombuffer(data, kind, rows, order["start"] + 2).astype(np.int64)
    if first + int(lengths.sum()) > len(data):
        raise ValueError("it has fewer pixels than its header says")
    octets = np.empty((rows, row), np.uint8)
    # Each row by itself, because some programs write rows that are too long.
    for index, end in enumerate(np.cumsum(lengths) + first):
        packed = data[int(end) - int(lengths[index]) : int(end)]
        octets[index] = np.frombuffer(Image.frombytes("L", (row, 1), packed, "packbits", "L").tobytes(), np.uint8)
    return octets.reshape(-1)


def _part(planes: list[NDArray[Any]], order: Order) -> NDArray[Any]:
    """(rows, W, C): some rows in 8 or 16 bits."""
    deep, kind = is_deep(order), order["kind"]
    if kind == BITMAP:
        return np.where(planes[0] == 0, LARGEST[8], 0).astype(np.uint8)[..., np.newaxis]
    if kind == INDEXED:
        return np.asarray(_palette(order)[planes[0]])
    if kind == LAB:
        colours = _rgb_of_lab([plane.astype(np.float64) / LARGEST[order["bits"]] for plane in planes[:3]], deep=deep)
        planes = [
            *np.moveaxis(colours, 2, 0),
            *(scaled(plane, LARGEST[order["bits"]], deep=deep) for plane in planes[3:]),
        ]
    else:
        planes = [scaled(plane, LARGEST[order["bits"]], deep=deep) for plane in planes]
    if kind == CMYK:
        # 255 is no ink in the file.
        planes = [LARGEST[8] - plane for plane in planes]
    if order["has_alpha"]:
        planes = _without_white(planes, LARGEST[16 if deep else 8])
    return np.stack(planes, axis=2)


def _palette(order: Order) -> NDArray[np.uint8]:
    """(256, C): the colours, with alpha where one of them is transparent."""
    colours = np.frombuffer(order["palette"], np.uint8).reshape(3, 256).T
    if order["transparent"] is None:
        return colours
    alpha = np.full((256, 1), LARGEST[8], np.uint8)
    alpha[order["transparent"]] = 0
    return np.concatenate([colours, alpha], axis=1)


def _without_white(planes: list[NDArray[Any]], top: int) -> list[NDArray[Any]]:
    """The colours without the white on which they were drawn: (shown − (1 − alpha)) / alpha."""
    alpha = planes[-1].astype(np.float64) / top
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(alpha > 0, 1 / alpha, 0)
    kind = planes[-1].dtype
    colours = [
        np.rint((top - (top - plane.astype(np.float64)) * factor).clip(0, top)).astype(kind) for plane in planes[:-1]
    ]
    return [*colours, planes[-1]]


def _rgb_of_lab(planes: list[NDArray[np.float64]], *, deep: bool) -> NDArray[Any]:
    """CIE L*a*b* under D50 as sRGB.  The numbers are 0 to 1: L* of 100, and a* and b* of -128 to 127."""
    lightness, green_red, blue_yellow = planes[0] * 100, planes[1] * 255 - 128, planes[2] * 255 - 128
    middle = (lightness + 16) / 116
    parts = (middle + green_red / 500, middle, middle - blue_yellow / 200)
    edge = 6 / 29
    xyz = [
        white * np.where(part > edge, part**3, 3 * edge**2 * (part - 4 / 29))
        for white, part in zip(WHITE_D50, parts, strict=True)
    ]
    light = np.tensordot(np.stack(xyz, axis=2), XYZ_TO_SRGB.T, axes=1)
    return levels_of_light(light, deep=deep)
