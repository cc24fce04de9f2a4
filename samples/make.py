"""Make camera-size and odd pictures from the samples: `python samples/make.py FOLDER`.

MAKERS lists them: a file name and the function that returns its bytes.
"""

from __future__ import annotations

import argparse
import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image

HERE = Path(__file__).parent

CAMERA_SIZE = 6000, 4000
"""24 megapixels, the size of many cameras and phones."""

BOMB_SIDE = 30_000

P3_PRIMARIES = {"r": (0.51512, 0.24120, -0.00105), "g": (0.29198, 0.69225, 0.04189), "b": (0.15710, 0.06657, 0.78407)}
"""Red, green and blue of Display P3 as XYZ under D50 (SMPTE EG 432-1, adapted by Bradford)."""

D50 = (0.9642, 1.0, 0.8249)

SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
"""Parameters g, a, b, c, d of the ICC curve type 3 for the transfer function of IEC 61966-2-1."""


def main() -> None:
    """Write every picture into the folder that the command line names."""
    parser = argparse.ArgumentParser(description="Make camera-size and odd pictures from the samples.")
    parser.add_argument("folder", type=Path, help="folder to write to; it is created if it does not exist")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in MAKERS.items():
        data = make()
        (folder / name).write_bytes(data)
        print(f"{name}: {len(data):,} bytes")


def sample(name: str) -> Image.Image:
    """The sample picture of this file name."""
    return Image.open(HERE / name).convert("RGB")


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    """The image as a file of Pillow's format `form`."""
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def camera() -> bytes:
    """A JPEG of CAMERA_SIZE: enlarged, with the noise of a sensor, so that it compresses as a photograph does."""
    large = sample("rocket.jpg").resize(CAMERA_SIZE, Image.Resampling.BICUBIC)
    noise = np.random.default_rng(0).normal(0, 4, (CAMERA_SIZE[1], CAMERA_SIZE[0], 1)).astype(np.float32)
    pixels = (np.asarray(large, np.float32) + noise).clip(0, 255).astype(np.uint8)
    return encoded(Image.fromarray(pixels), "JPEG", quality=92)


def oriented(orientation: int) -> bytes:
    """A JPEG that is upright once its EXIF orientation is applied."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored = sample("coffee.jpg")
    # What undoes the turn that the orientation asks for.
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    if orientation in undo:
        stored = stored.transpose(undo[orientation])
    return encoded(stored, "JPEG", quality=90, exif=exif)


def display_p3_profile() -> bytes:
    """An ICC profile of Display P3: primaries, white point and the transfer function of sRGB."""
    curve = b"para" + struct.pack(">4xHxx5i", 3, *map(_fixed, SRGB_CURVE))
    name = b"Display P3 (imgsrv sample)\0"
    tags = {
        b"desc": b"desc" + struct.pack(">4xI", len(name)) + name + bytes(78),
        b"cprt": b"text\0\0\0\0CC0\0",
        b"wtpt": _xyz(D50),
        **{f"{channel}XYZ".encode(): _xyz(primary) for channel, primary in P3_PRIMARIES.items()},
        **{f"{channel}TRC".encode(): curve for channel in P3_PRIMARIES},
    }
    offset = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for tag, data in tags.items():
        table += struct.pack(">4sII", tag, offset + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    white = struct.pack(">3i", *map(_fixed, D50))
    header = struct.pack(">I4xI12s12x4s28x", offset + len(body), 0x02400000, b"mntrRGB XYZ ", b"acsp") + white
    return header.ljust(128, b"\0") + table + body


def _fixed(value: float) -> int:
    return round(value * 65_536)


def _xyz(value: tuple[float, float, float]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *map(_fixed, value))


def sixteen_bit() -> bytes:
    """A grey PNG of 16 bits: a ramp with all 65,536 levels."""
    ramp = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
    return encoded(Image.fromarray(ramp), "PNG")


def transparent() -> bytes:
    """A PNG that fades from invisible on the left to opaque on the right."""
    image = sample("chelsea.png")
    fade = np.broadcast_to(np.linspace(0, 255, image.width).astype(np.uint8), (image.height, image.width))
    image.putalpha(Image.fromarray(np.ascontiguousarray(fade)))
    return encoded(image, "PNG")


def animated(form: str) -> bytes:
    """Twelve frames of the rocket that shift to the left, 80 ms each, in an endless loop."""
    image = sample("rocket.jpg").resize((320, 214))
    first, *others = (Image.fromarray(np.roll(np.asarray(image), -step * 10, axis=1)) for step in range(12))
    return encoded(first, form, save_all=True, append_images=others, duration=80, loop=0)


def pixel_bomb() -> bytes:
    """A PNG of BOMB_SIDE² white pixels in about 150 KB, to be refused after its header is read."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", BOMB_SIDE, BOMB_SIDE, 1, 0, 0, 0, 0)
    row = b"\0" + b"\xff" * ((BOMB_SIDE + 7) // 8)
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(row) for _ in range(BOMB_SIDE)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _oriented_maker(orientation: int) -> Callable[[], bytes]:
    return lambda: oriented(orientation)


MAKERS: dict[str, Callable[[], bytes]] = {
    "camera-24mp.jpg": camera,
    **{f"orientation-{value}.jpg": _oriented_maker(value) for value in range(1, 9)},
    "display-p3.jpg": lambda: encoded(sample("astronaut.jpg"), "JPEG", quality=90, icc_profile=display_p3_profile()),
    "progressive.jpg": lambda: encoded(sample("hubble_deep_field.jpg"), "JPEG", quality=85, progressive=True),
    "cmyk.jpg": lambda: encoded(sample("coffee.jpg").convert("CMYK"), "JPEG", quality=90),
    "grey.jpg": lambda: encoded(sample("chelsea.png").convert("L"), "JPEG", quality=90),
    "16-bit.png": sixteen_bit,
    "transparent.png": transparent,
    "palette.png": lambda: encoded(sample("coffee.jpg").quantize(64), "PNG"),
    "black-and-white.tiff": lambda: encoded(sample("chelsea.png").convert("1"), "TIFF", compression="group4"),
    "animated.gif": lambda: animated("GIF"),
    "animated.webp": lambda: animated("WEBP"),
    "animated.png": lambda: animated("PNG"),
    "photo.avif": lambda: encoded(sample("hubble_deep_field.jpg"), "AVIF", speed=8),
    "photo.jp2": lambda: encoded(sample("rocket.jpg"), "JPEG2000", quality_mode="dB", quality_layers=[40]),
    "truncated.jpg": lambda: encoded(sample("coffee.jpg"), "JPEG")[:10_000],
    "pixel-bomb.png": pixel_bomb,
}


if __name__ == "__main__":
    main()
