"""Saliency: where the eye goes first, from edges, skin, strong colours and contrast, without a trained model.

It is deterministic, and computed on a small copy; most of its cost is that of shrinking the picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from imgsrv.imaging.lazy import cv2
from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.picture import Frame, Source
from imgsrv.imaging.pixels.resample import resample
from imgsrv.imaging.pixels.working_frame import shallow

Map = NDArray[np.float32]
"""(H, W): saliency of each pixel of the small copy; 0 is none."""

LONGEST_SIDE = 128
"""Longest side of the small copy in pixels; a finer one changes no choice visibly."""

MOST_FRAMES = 8
"""Frames of an animation that are looked at, evenly spaced."""

EDGES, SKIN, SATURATION, CONTRAST = 0.6, 2.0, 0.2, 0.2
"""Weights of the four maps, which have values from 0 to 1."""

SKIN_COLOUR = np.array([0.78, 0.57, 0.44], np.float32)
"""Direction of skin in RGB, nearly the same for every shade.  Source: smartcrop.js, also for SKIN_NEARNESS."""
SKIN_NEARNESS = 0.8

MIDDLE_PULL = 0.02
"""Preference of the middle over the edges, so that a uniform picture is cropped to its middle."""

RIM = 0.9
"""Weight that a window loses at its outermost pixels, so that nothing salient is cut through."""


def most_salient(frames: Sequence[Frame], source: Source, window: tuple[float, float]) -> tuple[float, float]:
    """The most salient position of a window, as fractions of the free width and height.

    source: what each frame shows.  window: width and height in pixels of the picture.
    """
    size = _small_size(source.size)
    chosen = frames[:: -(-len(frames) // MOST_FRAMES)]
    saliency = np.asarray(np.mean([_saliency(frame, source, size) for frame in chosen], axis=0), np.float32)
    inner = tuple(
        min(side, max(1, round(side * part / whole)))
        for side, part, whole in zip(size, window, source.size, strict=True)
    )
    scores = cv2.matchTemplate(saliency, _weights((inner[0], inner[1])), cv2.TM_CCORR)
    # Rounded, because a Fourier transform gives equal scores with small errors.
    scores = np.round(scores / max(float(scores.max()), 1e-6), 4) + MIDDLE_PULL * _middle(scores.shape)
    top, left = np.unravel_index(int(np.argmax(scores)), scores.shape)
    return _fraction(int(left), scores.shape[1]), _fraction(int(top), scores.shape[0])


def _small_size(size: Size) -> Size:
    scale = min(1.0, LONGEST_SIDE / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _saliency(frame: Frame, source: Source, size: Size) -> Map:
    small = shallow(resample(frame, size, box=source.box, kernel="box"))
    colours = np.asarray(small.convert("RGB"), np.float32) / np.float32(255)
    luma = np.asarray(cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY), np.float32)
    edges = np.minimum(1, np.abs(cv2.Laplacian(luma, cv2.CV_32F, borderType=cv2.BORDER_REPLICATE)))
    saturation = colours.max(axis=2) - colours.min(axis=2)
    mean = cv2.blur(luma, (9, 9), borderType=cv2.BORDER_REPLICATE)
    variance = cv2.blur(luma * luma, (9, 9), borderType=cv2.BORDER_REPLICATE) - mean * mean
    contrast = np.minimum(1, 2 * np.sqrt(np.maximum(variance, 0)))
    total = EDGES * edges + SKIN * _skin(colours, luma) + SATURATION * saturation + CONTRAST * contrast
    if small.mode == "RGBA":
        total *= np.asarray(small.getchannel("A"), np.float32) / 255
    even = np.asarray(cv2.GaussianBlur(total, (0, 0), 1.5, borderType=cv2.BORDER_REPLICATE), np.float32)
    # Squared, so that one face scores more than a wide pattern.
    return np.square(even)


def _skin(colours: NDArray[np.float32], luma: Map) -> Map:
    length = np.sqrt((colours * colours).sum(axis=2, keepdims=True))
    direction = colours / np.maximum(length, 1e-6)
    nearness = 1 - np.sqrt(((direction - SKIN_COLOUR) ** 2).sum(axis=2))
    likeness = np.clip((nearness - SKIN_NEARNESS) / (1 - SKIN_NEARNESS), 0, 1)
    return np.asarray(np.where((luma > 0.2) & (luma < 0.95), likeness, 0), np.float32)  # noqa: PLR2004  neither black nor glare


def _weights(size: Size) -> Map:
    """(H, W): weight of each pixel of the window, 1 in the middle and less towards the edges."""
    across, down = (np.abs(2 * (np.arange(side) + 0.5) / side - 1) for side in size)
    return np.asarray(1 - RIM * np.maximum(across[None, :], down[:, None]) ** 4, np.float32)


def _middle(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """1 for the position in the middle, 0 for the farthest ones."""
    down, across = (np.abs(np.linspace(-1, 1, side)) if side > 1 else np.zeros(1) for side in shape)
    return 1 - (down[:, None] + across[None, :]) / 2


def _fraction(at: int, places: int) -> float:
    return at / (places - 1) if places > 1 else 0.5
