"""Samples of narrow range, as video has them: a PNG with cICP may say that black is 16 and white is 235 of 255."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from PIL import Image

from imgsrv.imaging.lazy import np
from imgsrv.imaging.model.cicp import Cicp
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.pixels.sixteen_bit import GREY, DeepFrame, to_8_bits
from imgsrv.imaging.pixels.strips import bands

if TYPE_CHECKING:
    from numpy.typing import NDArray

Samples: TypeAlias = "NDArray[np.uint16]"

BLACK, STEPS = 16, 219
"""Black, and the levels from black to white, of 8 bits (H.273, 8.3, equations 8 to 10 with BitDepth 8)."""

LEVELS = bytes(min(255, max(0, round((level - BLACK) * 255 / STEPS))) for level in range(256))
"""The full range by levels of narrow range."""

SAME = bytes(range(256))


def is_narrow(image: Image.Image) -> bool:
    """Whether an opened PNG has samples of narrow range."""
    cicp = image.info.get("cicp")
    return isinstance(cicp, Cicp) and not cicp.is_full_range


def widened(frame: Image.Image, *, is_deep: bool) -> Frame:
    """The frame with black at 0 and white at the highest level; alpha stays.

    frame: as Pillow or a reader of PNG gives it.  is_deep: 16 bits are kept.
    """
    if isinstance(frame, DeepFrame):
        for rows in bands(frame.height, frame.width):
            frame.pixels[rows, :, :3] = _widened(frame.pixels[rows, :, :3])
        return frame if is_deep else frame.shallow()
    if frame.mode == GREY:
        grey = _widened(np.asarray(frame))
        return Image.fromarray(grey if is_deep else to_8_bits(grey))
    has_alpha = "transparency" in frame.info or frame.mode in ("LA", "RGBA")
    if has_alpha:
        return frame.convert("RGBA").point(LEVELS * 3 + SAME)
    plain = frame.convert("RGB") if frame.mode == "P" else frame.convert("L") if frame.mode == "1" else frame
    return plain.point(LEVELS * len(plain.getbands()))


def _widened(samples: Samples) -> Samples:
    wide = (samples.astype(np.float32) - BLACK * 256) * (65_535 / (STEPS * 256))
    return np.asarray(np.rint(wide).clip(0, 65_535), np.uint16)
