"""JPEGs of every kind that the decoder of `native/` takes, made of noise and shapes."""

from __future__ import annotations

import ctypes
import io
from random import Random
from typing import Any

import numpy as np
from mutations import mutated
from numpy.typing import NDArray
from PIL import Image

from imgsrv.imaging.codecs import turbojpeg

SAMPLINGS = ("grey", "4:4:4", "4:2:2", "4:2:0", "4:4:0")

PROGRESSIVE, RESTART_BLOCKS = 12, 18
"""Parameters of TurboJPEG that the package does not set."""


def seeded(seed: int | str) -> Random:
    """Numbers that are the same in each run."""
    return Random(seed)  # noqa: S311  it makes no secrets


def pixels(random: Random, width: int, height: int, *, low: int = 0, high: int = 255) -> NDArray[np.uint8]:
    """Shapes, slopes and noise, of levels from low to high."""
    generator = np.random.default_rng(random.getrandbits(32))
    down, across = np.mgrid[0:height, 0:width]
    found = np.stack(
        [
            np.sin(across * generator.uniform(0, 1) + down * generator.uniform(0, 1) + generator.uniform(0, 6))
            * generator.uniform(0, 90)
            + generator.normal(0, random.choice([0.0, 3.0, 40.0]), (height, width))
            + generator.uniform(60, 200)
            for _ in range(3)
        ],
        axis=-1,
    )
    for _ in range(random.randrange(4)):
        top, left = random.randrange(height), random.randrange(width)
        found[top : top + random.randint(1, 20), left : left + random.randint(1, 20)] = generator.uniform(0, 255, 3)
    levels: NDArray[np.uint8] = np.clip(found, low, high).astype(np.uint8)
    return levels


def jpeg(
    random: Random, *, sampling: str, size: tuple[int, int], low: int = 0, high: int = 255, **options: Any
) -> bytes:
    """A JPEG.  options: those of Pillow, which does not write 4:4:0."""
    data = pixels(random, *size, low=low, high=high)
    if sampling == "4:4:0":
        return _with_taller_colours(data, **options)
    file = io.BytesIO()
    image = Image.fromarray(data)
    if sampling == "grey":
        image = image.convert("L")
    else:
        options["subsampling"] = sampling
    try:
        image.save(file, "JPEG", **options)
    except OSError:
        # Pillow's buffer is too small for the best quality of noise with tables of its own.
        file = io.BytesIO()
        image.save(file, "JPEG", **{**options, "quality": 50})
    return file.getvalue()


def _with_taller_colours(data: NDArray[np.uint8], **options: Any) -> bytes:
    """A JPEG of 4:4:0: the channels of the data are its planes."""
    library = turbojpeg._library
    assert library is not None
    height, width, _ = data.shape
    data = np.pad(data, ((0, height % 2), (0, 0), (0, 0)), mode="edge")
    planes = [np.ascontiguousarray(data[:: 1 if part == 0 else 2, :, part]) for part in range(3)]
    kind = turbojpeg.Subsampling.TWO_DOWN
    buffer = np.empty(library.tj3JPEGBufSize(width, height, kind), np.uint8)
    address, size = ctypes.c_void_p(buffer.ctypes.data), ctypes.c_size_t(buffer.size)
    wanted = {
        turbojpeg._Parameter.NO_REALLOC: 1,
        turbojpeg._Parameter.QUALITY: options.get("quality", 75),
        turbojpeg._Parameter.SUBSAMPLING: kind,
        turbojpeg._Parameter.OPTIMIZE: options.get("optimize", False),
        PROGRESSIVE: options.get("progressive", False),
        RESTART_BLOCKS: options.get("restart_marker_blocks", 0),
    }
    with turbojpeg._handle(library, turbojpeg._Use.COMPRESS) as handle:
        for name, value in wanted.items():
            library.tj3Set(handle, name, value)
        addresses = (ctypes.c_void_p * 3)(*(plane.ctypes.data for plane in planes))
        assert not library.tj3CompressFromYUVPlanes8(handle, addresses, width, None, height, address, size)
    return buffer[: size.value].tobytes()


def any_jpeg(random: Random, largest: int = 40, **fixed: Any) -> bytes:
    """A JPEG of any kind and size up to `largest`."""
    options: dict[str, Any] = {"quality": random.choice([1, 10, 30, 50, 75, 85, 95, 100])}
    if random.random() < 0.3:
        options["optimize"] = True
    if random.random() < 0.3:
        options["restart_marker_blocks"] = random.randint(1, 9)
    if random.random() < 0.1:
        options["restart_marker_rows"] = 1
    size = random.randint(1, largest), random.randint(1, largest)
    return jpeg(random, **{"sampling": random.choice(SAMPLINGS), "size": size, **options, **fixed})


WORDS = (b"\xff\xd0", b"\xff\xd9", b"\xff\xda", b"\xff\xc4", b"\xff\x00", b"\xff\xff", b"\xff\xdd\0\4\0\1", b"\0\x3f\0")
"""What mutations put into a JPEG."""

TURNED = 0.5
"""The share of mutations that only turn bits."""


def near(data: bytes, other: bytes, random: Random) -> bytes:
    """A JPEG with some faults.  other: one that it may be spliced with."""
    if random.random() > TURNED:
        return mutated(data, other, WORDS, random)
    # Bits of scans most of the time, which more often leaves a JPEG that can be read.
    found = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        at = random.randrange(data.index(b"\xff\xda") if random.random() < 0.8 else 0, len(data))
        found[at] ^= 1 << random.randrange(8)
    return bytes(found)
