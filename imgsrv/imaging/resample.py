"""Resampling by cykooz-resizer, straight on Pillow's memory."""

from __future__ import annotations

from typing import Literal

from cykooz_resizer import CropBox, FilterType, ResizeAlg, ResizeOptions, Resizer
from PIL import Image

from imgsrv.imaging.limits import Box, Size
from imgsrv.imaging.picture import Frame

Kernel = Literal["nearest", "box", "bilinear", "bicubic", "mitchell", "lanczos"]

_ALGORITHMS = {
    "nearest": ResizeAlg.nearest(),
    "box": ResizeAlg.convolution(FilterType.box),
    "bilinear": ResizeAlg.convolution(FilterType.bilinear),
    "bicubic": ResizeAlg.convolution(FilterType.catmull_rom),
    "mitchell": ResizeAlg.convolution(FilterType.mitchell),
    "lanczos": ResizeAlg.convolution(FilterType.lanczos3),
}


def resample(frame: Frame, size: Size, *, box: Box | None = None, kernel: Kernel = "lanczos") -> Frame:
    """The part `box` of the frame at `size`; alpha is premultiplied for the while.

    Kernels are convolutions with antialiasing, as Pillow's are; bicubic is Catmull-Rom (a = −0.5).
    """
    whole = (0.0, 0.0, float(frame.width), float(frame.height))
    box = box or whole
    if frame.size == size and box == whole:
        return frame
    # 8.9× faster than Pillow's own Lanczos at 56 dB against it; bench/test_pipeline.py, row "resample".
    options = ResizeOptions(resize_alg=_ALGORITHMS[kernel], crop_box=CropBox(*box))
    result = Image.new(frame.mode, size)
    Resizer().resize_pil(frame, result, options)
    return result
