"""A picture to try a server with where none is at hand: nothing to see, but as much to decode as in a photograph."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from imgsrv.imaging.pixels.resample import resample

SIZE = (2400, 1600)
"""Four megapixels, as a telephone sends them."""

LAYERS = 6
"""Each has twice the detail and half the strength of the one before, as photographs have by and large."""


def noise_card(size: tuple[int, int] = SIZE) -> bytes:
    """A JPEG, the same each time."""
    random = np.random.default_rng(1)
    total = np.zeros((size[1], size[0], 3), np.float32)
    for layer in range(LAYERS):
        cells = (3 << layer, 2 << layer)
        noise = random.integers(0, 256, (cells[1], cells[0], 3), np.uint8)
        total += (np.asarray(resample(Image.fromarray(noise), size), np.float32) - 127.5) * 0.8**layer
    drawn = io.BytesIO()
    levels = np.clip(127.5 + total * 0.6, 0, 255).astype(np.uint8)
    Image.fromarray(levels).save(drawn, "JPEG", quality=90)
    return drawn.getvalue()
