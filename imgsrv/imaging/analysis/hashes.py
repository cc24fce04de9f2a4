"""Short texts that stand for a picture: BlurHash, ThumbHash and a perceptual hash.

Each follows its published algorithm, term by term, on arrays; tests compare them with the reference libraries.
"""

from __future__ import annotations

import base64
import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from imgsrv.imaging.lazy import cv2
from imgsrv.imaging.pixels.srgb import level_of, light_of
from imgsrv.imaging.pixels.working_frame import Pixels

if TYPE_CHECKING:
    from imgsrv.imaging.pixels.srgb import Floats

BLUR_COMPONENTS = (4, 3)
"""Number of cosines across and down."""

BLUR_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"

PHASH_SIDE, PHASH_KEPT = 32, 8
"""Side in pixels of the picture that is transformed, and number of the lowest frequencies that count."""

FLAT = 1e-9
"""A smaller weight of a cosine is a rounding error; a picture of one colour has only such weights."""


def blurhash(pixels: Pixels) -> str:
    """The BlurHash, with 4 by 3 components, of (H, W, 3) sRGB pixels.

    Source: github.com/woltapp/blurhash, Algorithm.md.
    """
    across, down = BLUR_COMPONENTS
    light = light_of(pixels / 255)
    height, width = light.shape[:2]
    x = np.cos(np.pi * np.outer(np.arange(across), np.arange(width)) / width)
    y = np.cos(np.pi * np.outer(np.arange(down), np.arange(height)) / height)
    factors = np.einsum("jh,hwc,iw->jic", y, light, x).reshape(-1, 3) / (width * height)
    mean, waves = factors[0], factors[1:] * 2
    most = min(82, max(0, math.floor(float(np.abs(waves).max()) * 166 - 0.5)))
    ratio = waves / ((most + 1) / 166)
    steps = np.floor(np.sign(ratio) * np.sqrt(np.abs(ratio)) * 9 + 9.5).clip(0, 18).astype(int)
    texts = [_digits((across - 1) + (down - 1) * 9, 1), _digits(most, 1), _digits(_packed(mean), 4)]
    return "".join([*texts, *(_digits(int(red * 361 + green * 19 + blue), 2) for red, green, blue in steps)])


def thumbhash(pixels: Pixels) -> str:
    """The ThumbHash of (H, W, 4) sRGB pixels with straight alpha, at most 100 along each side, in Base64.

    Source: github.com/evanw/thumbhash, js/thumbhash.js.
    """
    height, width = pixels.shape[:2]
    longest = max(width, height)
    alpha = pixels[..., 3] / 255
    visible = float(alpha.sum())
    has_alpha = visible < width * height
    colours = pixels[..., :3] / 255
    average = (colours * alpha[..., None]).sum((0, 1)) / (visible or 1)
    red, green, blue = np.moveaxis(average * (1 - alpha[..., None]) + colours * alpha[..., None], 2, 0)
    across, down = (max(1, _rounded((5 if has_alpha else 7) * side / longest)) for side in (width, height))
    luma = _waves((red + green + blue) / 3, max(3, across), max(3, down))
    yellow, reds = _waves((red + green) / 2 - blue, 3, 3), _waves(red - green, 3, 3)
    is_landscape = width > height
    first = (
        _rounded(63 * luma.mean)
        | _rounded(31.5 + 31.5 * yellow.mean) << 6
        | _rounded(31.5 + 31.5 * reds.mean) << 12
        | _rounded(31 * luma.scale) << 18
        | has_alpha << 23
    )
    second = (
        (down if is_landscape else across)
        | _rounded(63 * yellow.scale) << 3
        | _rounded(63 * reds.scale) << 9
        | is_landscape << 15
    )
    nibbles = [*luma.steps, *yellow.steps, *reds.steps]
    opacity = b""
    if has_alpha:
        shape = _waves(alpha, 5, 5)
        opacity = bytes([_rounded(15 * shape.mean) | _rounded(15 * shape.scale) << 4])
        nibbles += shape.steps
    pairs = zip(nibbles[::2], [*nibbles[1::2], 0], strict=False)
    steps = bytes(low | high << 4 for low, high in pairs)
    return base64.b64encode(first.to_bytes(3, "little") + second.to_bytes(2, "little") + opacity + steps).decode()


def phash(luma: Image.Image) -> str:
    """A perceptual hash of 64 bits in hexadecimal; pictures that look alike differ in few bits.

    luma: mode L.  The picture is shrunk to 32×32.  Each bit says whether one of its 8×8 lowest frequencies is above
    their median.  It is the same as `imagehash.phash`.
    """
    small = np.asarray(luma.resize((PHASH_SIDE, PHASH_SIDE), Image.Resampling.LANCZOS), np.float64)
    lowest = np.array(cv2.dct(small)[:PHASH_KEPT, :PHASH_KEPT], np.float64)
    # OpenCV's transform is orthonormal; the hash is defined on one that is not.
    lowest[0] *= math.sqrt(2)
    lowest[:, 0] *= math.sqrt(2)
    # Rounded, so that a missing frequency is 0 and not a rounding error.
    lowest = lowest.round(6)
    return np.packbits(lowest > np.median(lowest)).tobytes().hex()


class _Waves:
    """A channel as cosines: mean is the first weight, scale the largest other one, steps the others from 0 to 15."""

    def __init__(self, weights: list[float]) -> None:
        self.mean, *others = weights
        largest = max(map(abs, others))
        self.scale = largest if largest > FLAT else 0.0
        self.steps = [_rounded(15 * (0.5 + 0.5 / self.scale * one)) if self.scale else 0 for one in others]


def _waves(channel: Floats, across: int, down: int) -> _Waves:
    """The cosines in the upper left triangle of `across` by `down` frequencies, row by row."""
    height, width = channel.shape
    x = np.cos(np.pi / width * np.outer(np.arange(across), np.arange(width) + 0.5))
    y = np.cos(np.pi / height * np.outer(np.arange(down), np.arange(height) + 0.5))
    weights = y @ channel @ x.T / (width * height)
    return _Waves(
        [float(weights[row, column]) for row in range(down) for column in range(across)
         if column * down < across * (down - row)]
    )  # fmt: skip


def _rounded(number: float) -> int:
    """Rounded to a whole number, halves upwards as in JavaScript."""
    return math.floor(number + 0.5)


def _packed(light: Floats) -> int:
    """The sRGB colour of linear light as one number of 24 bits."""
    red, green, blue = map(int, level_of(light.clip(0, 1)) * 255 + 0.5)
    return red << 16 | green << 8 | blue


def _digits(value: int, count: int) -> str:
    base = len(BLUR_DIGITS)
    return "".join(BLUR_DIGITS[value // base**place % base] for place in reversed(range(count)))
