"""The detector: one run of the network over a copy of 256 × 256 pixels, and what its numbers mean.

Source of the anchors and of the meaning of the numbers: Bazarevsky et al., BlazeFace (2019), section 3, and MediaPipe's
options of its calculators for this model.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from imgsrv.imaging.lazy import cv2, np
from imgsrv.imaging.model.picture import Frame, Source
from imgsrv.imaging.pixels.resample import resample
from imgsrv.imaging.pixels.working_frame import shallow

if TYPE_CHECKING:
    from cv2.dnn import Net
    from numpy.typing import NDArray

MODEL = Path(__file__).with_name("blazeface.tflite")

SIDE = 256
"""Pixels along each side of the copy that the network sees; it has black bars, so that proportions stay."""

GRIDS = ((16, 2), (8, 6))
"""Cells along each side of a grid, and how many guesses the network makes in each cell."""

LEAST_SCORE = 0.82
"""Probability from which on a guess counts.  In 14 photographs, what is no face has 0.79 (a cat) at most."""

OVERLAP = 0.3
"""Guesses whose common area is at least this part of what they cover together are one face."""

_own = threading.local()
"""The network of each thread: a network keeps what it computes."""


@dataclass(frozen=True, slots=True)
class Face:
    """A face as fractions of the picture's width and height: its box from the eyebrows to the chin."""

    left: float
    top: float
    width: float
    height: float
    score: float

    @property
    def area(self) -> float:
        """The part of the picture that it covers."""
        return self.width * self.height


def faces_in(frame: Frame, source: Source, least_score: float = LEAST_SCORE) -> list[Face]:
    """The faces of a frame, the largest first.  source: what the frame shows, or the part of it that is looked at.

    A face is found from about a fourteenth of the longer side on.
    """
    scale = SIDE / max(source.size)
    size = max(1, round(source.size[0] * scale)), max(1, round(source.size[1] * scale))
    small = shallow(resample(frame, size, box=source.box, kernel="bilinear")).convert("RGB")
    bars = (SIDE - size[0]) // 2, (SIDE - size[1]) // 2
    seen = Image.new("RGB", (SIDE, SIDE))
    seen.paste(small, bars)
    boxes, scores = _guesses(seen)
    found: list[Face] = []
    for index in np.argsort(-scores):
        if scores[index] < least_score:
            break
        across, down, width, height = (float(value) * SIDE for value in boxes[index])
        face = Face(
            (across - width / 2 - bars[0]) / size[0],
            (down - height / 2 - bars[1]) / size[1],
            width / size[0],
            height / size[1],
            float(scores[index]),
        )
        if all(_shared(face, other) < OVERLAP for other in found):
            found.append(face)
    return sorted(found, key=lambda face: -face.area)


def _guesses(seen: Image.Image) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(N, 4): middle, width and height of each guess, as fractions of the copy.  (N,): its probability."""
    levels = np.asarray(seen, np.float32) / np.float32(127.5) - 1
    net = _net()
    net.setInput(np.ascontiguousarray(levels.transpose(2, 0, 1)[np.newaxis]))
    numbers, logits = net.forward(["regressors", "classificators"])
    boxes = np.array(numbers.reshape(-1, 16)[:, :4] / SIDE, np.float32)
    boxes[:, :2] += _anchors()
    return boxes, np.asarray(1 / (1 + np.exp(-np.clip(logits.ravel(), -80, 80))), np.float32)


def _net() -> Net:
    net: Net | None = getattr(_own, "net", None)
    if net is None:
        # The new engine of OpenCV 5 gives one of the two outputs only.
        engine = {"engine": cv2.dnn.ENGINE_CLASSIC} if hasattr(cv2.dnn, "ENGINE_CLASSIC") else {}
        net = _own.net = cv2.dnn.readNetFromTFLite(str(MODEL), **engine)
    return net


@cache
def _anchors() -> NDArray[np.float32]:
    """(N, 2): the middle of the cell of each guess, as fractions of the copy."""
    rows = [
        ((column + 0.5) / cells, (row + 0.5) / cells)
        for cells, guesses in GRIDS
        for row in range(cells)
        for column in range(cells)
        for _ in range(guesses)
    ]
    return np.array(rows, np.float32)


def _shared(one: Face, other: Face) -> float:
    """The common area of two faces, as a part of what they cover together."""
    across = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    down = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    common = max(0.0, across) * max(0.0, down)
    return common / (one.area + other.area - common)
