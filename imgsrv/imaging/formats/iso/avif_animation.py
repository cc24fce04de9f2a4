"""Animated AVIF without loss by OpenCV (libavif, aom), which codes RGB as it is; Pillow writes YCbCr only."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from imgsrv.imaging.formats.format import EncoderSettings, Options
from imgsrv.imaging.formats.iso.avif_plays import with_plays
from imgsrv.imaging.formats.iso.avif_writer import LOSSLESS, LOSSLESS_DEPTH
from imgsrv.imaging.lazy import cv2, np
from imgsrv.imaging.model.animation import FOR_EVER, whole_milliseconds
from imgsrv.imaging.model.picture import Frame, Picture
from imgsrv.imaging.pixels.bit_depths import from_16_bits
from imgsrv.imaging.pixels.sixteen_bit import DeepFrame

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

Samples: TypeAlias = "NDArray[np.integer[Any]]"
"""(H, W, channels)."""

MODES = ("RGB", "RGBA", "RGB;16", "RGBA;16")

LONGEST_MS = (1 << 31) - 1

SHORTEST_MS = 1
"""OpenCV takes no shorter duration."""


def write_exact(picture: Picture, settings: EncoderSettings, speed: int, metadata: Options, file: BinaryIO) -> bool:
    """Write the frames without any loss in 8 bits, and in 12 of 16; False for what is left to Pillow.

    speed: of libavif.  That is all that is lossy, of grey, or has metadata, a profile or code points: OpenCV writes
    none of them.
    """
    if not settings.lossless or metadata or any(frame.mode not in MODES for frame in picture.frames):
        return False
    animation = cv2.Animation()
    animation.frames = [_stored(frame) for frame in picture.frames]
    animation.durations = [max(SHORTEST_MS, time) for time in whole_milliseconds(picture.durations, LONGEST_MS)]
    depth = LOSSLESS_DEPTH if isinstance(picture.frames[0], DeepFrame) else 8
    options = (cv2.IMWRITE_AVIF_QUALITY, LOSSLESS, cv2.IMWRITE_AVIF_DEPTH, depth, cv2.IMWRITE_AVIF_SPEED, speed)
    is_done, made = cv2.imencodeanimation(".avif", animation, options)
    if not is_done:
        raise RuntimeError("OpenCV does not write the animation")
    data = bytes(made)
    file.write(data if picture.plays == FOR_EVER else with_plays(data, picture.plays))
    return True


def _stored(frame: Frame) -> Samples:
    """The samples in the order of OpenCV, blue first, of at most 12 bits."""
    pixels = from_16_bits(frame.pixels, LOSSLESS_DEPTH) if isinstance(frame, DeepFrame) else np.asarray(frame)
    order = cv2.COLOR_RGBA2BGRA if pixels.shape[2] == len("RGBA") else cv2.COLOR_RGB2BGR
    return np.asarray(cv2.cvtColor(pixels, order))
