"""MEASURES: what `POST /info?include=…` can report about the pixels of a picture.

A measure is one function in the table; its docstring is its entry in the documents.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from imgsrv.imaging.analysis import hashes
from imgsrv.imaging.lazy import cv2
from imgsrv.imaging.model.parameter_types import OPAQUE, WHITE
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.pixels.composite import flatten
from imgsrv.imaging.pixels.resample import resample
from imgsrv.imaging.pixels.working_frame import Pixels

SMALL_SIDE = 100
"""Longest side of the copy for colours and placeholders: what ThumbHash requires, and enough for the others."""

PALETTE_SIZE = 6
"""Most colours of a palette."""

Measure = Callable[[Frame], Any]
"""Its result is JSON-compatible."""


def average(frame: Frame) -> str | None:
    """Mean colour as rrggbb, weighted by alpha; null where no pixel is visible."""
    pixels = np.asarray(small(frame).convert("RGBA"), np.float64)
    weights = pixels[..., 3].sum()
    return _hex((pixels[..., :3] * pixels[..., 3:]).sum((0, 1)) / weights) if weights else None


def dominant(frame: Frame) -> str | None:
    """The most frequent colour of the palette as rrggbb; null where no pixel is visible."""
    colours = palette(frame)
    return colours[0]["colour"] if colours else None


def palette(frame: Frame) -> list[dict[str, Any]]:
    """Up to six colours as rrggbb, each with its share of the visible pixels, the most frequent first."""
    pixels = np.asarray(small(frame).convert("RGBA"))
    visible = pixels[pixels[..., 3] > OPAQUE // 2][:, :3]
    if not len(visible):
        return []
    reduced = Image.fromarray(visible[None]).quantize(PALETTE_SIZE, Image.Quantize.MEDIANCUT, kmeans=1)
    colours = np.asarray(reduced.getpalette("RGB")).reshape(-1, 3)
    counts = np.bincount(np.asarray(reduced).ravel(), minlength=len(colours))
    order = [index for index in np.argsort(-counts, kind="stable") if counts[index]]
    return [{"colour": _hex(colours[at]), "share": round(float(counts[at] / len(visible)), 3)} for at in order]


def blurhash(frame: Frame) -> str:
    """BlurHash of 4 by 3 components, over white."""
    return hashes.blurhash(np.asarray(flatten(small(frame), WHITE)))


def thumbhash(frame: Frame) -> str:
    """ThumbHash in Base64; it keeps the shape and the transparency."""
    return hashes.thumbhash(np.asarray(small(frame).convert("RGBA")))


def phash(frame: Frame) -> str:
    """Perceptual hash of 64 bits in hexadecimal, over white: pictures that look alike differ in few bits."""
    return hashes.phash(flatten(frame, WHITE).convert("L"))


def sharpness(frame: Frame) -> float:
    """Variance of the Laplacian of the luma at full size.

    The Laplacian is that of the 3×3 kernel 0 1 0 / 1 −4 1 / 0 1 0 on levels of 0 to 255, the picture mirrored at its
    edges; alpha is ignored.  Source: Pech-Pacheco et al., Diatom autofocusing in brightfield microscopy (2000).
    """
    luma: Pixels = np.asarray(frame.convert("L"))
    # 16 bits hold ±1020, in a quarter of the memory of 64.
    _mean, deviation = cv2.meanStdDev(cv2.Laplacian(luma, cv2.CV_16S))
    return round(float(deviation[0, 0]) ** 2, 2)


MEASURES: dict[str, Measure] = {
    measure.__name__: measure for measure in (average, dominant, palette, blurhash, thumbhash, phash, sharpness)
}

AT_FULL_SIZE = frozenset({"sharpness"})
"""Measures that need the picture decoded at full scale."""


def small(frame: Frame, side: int = SMALL_SIDE) -> Frame:
    """The frame shrunk to at most `side` pixels; each pixel is the mean of those that it replaces."""
    scale = side / max(frame.size)
    if scale >= 1:
        return frame
    width, height = (max(1, round(length * scale)) for length in frame.size)
    return resample(frame, (width, height), kernel="box")


def _hex(colour: Any) -> str:
    red, green, blue = (round(float(level)) for level in colour)
    return f"{red:02x}{green:02x}{blue:02x}"
