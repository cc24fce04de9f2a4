"""NumPy, OpenCV, imagecodecs and HarfBuzz, imported when they are first used.

`from imgsrv import process` then takes less than half of the time, and resizing a JPEG never loads OpenCV.
A module that is loaded for the first picture only imports NumPy itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["cv2", "hb", "imagecodecs", "np"]

if TYPE_CHECKING:
    import cv2
    import imagecodecs
    import numpy as np
    import uharfbuzz as hb
else:

    class _Lazy:
        def __init__(self, name: str) -> None:
            self._name = name

        def __getattr__(self, name: str) -> Any:
            from importlib import import_module  # noqa: PLC0415  what this class is for

            # Found at once the next time.
            value = vars(self)[name] = getattr(import_module(self._name), name)
            return value

    cv2 = _Lazy("cv2")
    hb = _Lazy("uharfbuzz")
    imagecodecs = _Lazy("imagecodecs")
    np = _Lazy("numpy")
