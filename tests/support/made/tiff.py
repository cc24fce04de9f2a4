"""TIFFs made of their tags, one by one, and by tifffile."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

Tags = Mapping[int, tuple[str, tuple[int, ...]]]
"""Tags with a type of `struct` and values."""

KINDS = {"B": 1, "H": 3, "I": 4, "b": 6}


def by_hand(tags: Tags, strips: list[bytes], order: str = "<", *, is_tiled: bool = False) -> bytes:
    """A TIFF of exactly these tags, to which offsets and byte counts are added."""
    made = dict(tags)
    place, count = (324, 325) if is_tiled else (273, 279)
    starts = [8 + sum(map(len, strips[:at])) for at in range(len(strips))]
    made.setdefault(place, ("I", tuple(starts)))
    made.setdefault(count, ("I", tuple(map(len, strips))))
    body = b"".join(strips)
    body += bytes(len(body) % 2)
    entries = b""
    for tag, (kind, values) in sorted(made.items()):
        packed = struct.pack(f"{order}{len(values)}{kind}", *values)
        if len(packed) > 4:
            at, body = 8 + len(body), body + packed + bytes(len(packed) % 2)
            packed = struct.pack(f"{order}I", at)
        entries += struct.pack(f"{order}HHI", tag, KINDS[kind], len(values)) + packed.ljust(4, b"\0")
    head = b"MM\0*" if order == ">" else b"II*\0"
    directory = struct.pack(f"{order}H", len(made)) + entries + bytes(4)
    return head + struct.pack(f"{order}I", 8 + len(body)) + body + directory


def tags_of(
    size: tuple[int, int], bits: int, samples: int = 1, photometric: int = 1, **more: tuple[str, tuple[int, ...]]
) -> dict[int, Any]:
    """Tags of a picture in one strip without compression.  more: `t` and the number of a tag, with type and values."""
    tags: dict[int, tuple[str, tuple[int, ...]]] = {
        256: ("I", size[:1]), 257: ("I", size[1:]), 258: ("H", (bits,) * samples), 259: ("H", (1,)),
        262: ("H", (photometric,)), 277: ("H", (samples,)), 278: ("I", size[1:]),
    }  # fmt: skip
    return tags | {int(tag.removeprefix("t")): value for tag, value in more.items()}


def packed_bits(numbers: NDArray[Any], bits: int) -> bytes:
    """Rows of numbers, the highest bit first; each row begins with a new byte."""
    rows = ("".join(f"{int(number):0{bits}b}" for number in row.ravel()) for row in numbers)
    return b"".join(int(row.ljust(-(-len(row) // 8) * 8, "0"), 2).to_bytes(-(-len(row) // 8), "big") for row in rows)


def written(numbers: NDArray[Any], photometric: str, **options: Any) -> bytes:
    """The file of tifffile; the compression `none` is none."""
    if options.get("compression") == "none":
        del options["compression"]
    if options.get("planarconfig") == "separate":
        numbers = np.moveaxis(numbers, 2, 0)
    file = io.BytesIO()
    tifffile.imwrite(file, numbers, photometric=photometric, metadata=None, **options)
    return file.getvalue()


def of_every_kind() -> tuple[bytes, ...]:
    """Small files of every kind that our decoder reads."""
    rgba = np.random.default_rng(1).integers(0, 65_536, (6, 9, 4)).astype(np.uint16)
    rgb, grey = rgba[..., :3], rgba[..., 0]
    chroma: dict[str, Any] = {"t530": ("H", (2, 2))}
    return (
        written(rgb, "rgb", planarconfig="separate"),
        written(rgba, "rgb", extrasamples=["assocalpha"], compression="lzw", predictor=True, tile=(16, 16)),
        written((rgb / 65_535).astype(np.float32), "rgb", compression="deflate", predictor=True, rowsperstrip=2),
        written(grey, "miniswhite", bigtiff=True, byteorder=">", compression="packbits"),
        written((grey >> 8).astype(np.uint8), "palette", colormap=np.arange(768).reshape(3, 256), compression="zstd"),
        written((rgb >> 8).astype(np.uint8), "rgb", compression="webp"),
        written((rgb >> 8).astype(np.uint8), "rgb", compression="jpeg2000"),
        written((rgb >> 8).astype(np.uint8), "rgb", compression="jpeg", planarconfig="separate"),
        written(grey, "minisblack", compression="lerc"),
        written(grey, "minisblack", compression="lzma"),
        written((rgba >> 8).astype(np.uint8)[..., [0, 1, 2, 3, 0]], "separated", extrasamples=["unassalpha"]),
        by_hand(tags_of((9, 6), 12), [packed_bits(grey >> 4, 12)]),
        by_hand(tags_of((9, 6), 8, 3, 6, **chroma), [bytes(range(90))]),
        written(rgb, "cielab", compression="deflate"),
    )
