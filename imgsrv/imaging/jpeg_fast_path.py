"""JPEG to JPEG in the file's own colours, where all that is asked for is another size.

Luma and colours are decoded, resampled, turned upright and encoded as planes of their own: colours have a quarter of
the pixels all the way, nothing is converted to RGB and back, and a JPEG is decoded at 3/8 too.  imgsrv's own decoder
reads them at half the size and less, TurboJPEG at other sizes and what that refuses.  `plan_planes` of
`pipelines/decode_plan.py` decides which pictures take this path.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import BinaryIO

import numpy as np
from PIL import Image

from imgsrv.imaging.codecs import turbojpeg
from imgsrv.imaging.codecs.native import jpeg as native_jpeg
from imgsrv.imaging.codecs.turbojpeg import Planes
from imgsrv.imaging.formats import jpeg
from imgsrv.imaging.formats.format import EncoderSettings
from imgsrv.imaging.lazy import cv2
from imgsrv.imaging.model.limits import Box, Data, Size
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.pixels.orientation import FROM_BELOW, FROM_RIGHT, stored_box, stored_size, upright_plane
from imgsrv.imaging.pixels.resample import BOX_STEPS, Kernel, Plane, frame_of, resample_pair, resample_plane

KEPT_PLANS = 256
"""Plans whose boxes are kept: most pictures have one of a few sizes."""

NATIVE, TURBO, RGB = "native", "turbojpeg", "rgb"
"""The ways of a JPEG: imgsrv's own decoder, TurboJPEG, or through RGB by Pillow."""


def can_decode(scale: Fraction) -> bool:
    """Whether a decoder of planes is there for JPEGs at this scale."""
    return turbojpeg.IS_HERE or (native_jpeg.IS_HERE and scale <= native_jpeg.LARGEST)


@dataclass(frozen=True, slots=True)
class Way:
    """How a picture was decoded.

    name: one of this module for a JPEG, empty for other formats.  refusal: why imgsrv's own decoder did not decode it;
    empty where it did or was not asked.
    """

    name: str
    refusal: str = ""


def usual_way(form: str) -> Way:
    """That of a picture of that format for which there is no plan of this module."""
    return Way(RGB if form == jpeg.FORMAT.name else "")


@dataclass(frozen=True, slots=True)
class PlanesPlan:
    """A resize in the planes of a JPEG.

    before, after: sizes in pixels, upright.  box: the part of the upright picture that the result shows.  scale: of
    the decoder.  orientation: how the JPEG lies, by EXIF.
    """

    before: Size
    after: Size
    box: Box
    kernel: Kernel
    scale: Fraction
    orientation: int = 1

    def decode(self, data: Data) -> tuple[Planes | None, Way]:
        """The planes at the scale of the plan, as they are stored; None where Pillow has to decode the picture."""
        # Neither decoder misses scans that are not there.
        if jpeg.lacks_scans(data):
            return None, Way(RGB)
        size, refusal = stored_size(self.before, self.orientation), ""
        if native_jpeg.IS_HERE and self.scale <= native_jpeg.LARGEST:
            found = native_jpeg.decode(data, size, self.scale)
            if isinstance(found, Planes):
                return found, Way(NATIVE)
            refusal = found
        planes = turbojpeg.decode(data, size, self.scale)
        return planes, Way(RGB if planes is None else TURBO, refusal)

    def resample(self, planes: Planes) -> Planes:
        """The planes of the result, upright, with one sample of each colour for four pixels."""
        parts = _parts(self, planes.subsampling)
        plane, box = _covering(planes.luma, parts.luma)
        luma = resample_plane(plane, parts.size, box, self.kernel)
        (first, box), (second, _) = (_covering(plane, parts.colours) for plane in planes.colours)
        first, second = resample_pair((first, second), parts.half, box, self.kernel)
        luma, first, second = (upright_plane(plane, self.orientation) for plane in (luma, first, second))
        return Planes(luma, (first, second), (2, 2))

    def part(self, subsampling: Size, beyond: tuple[float, float]) -> Box:
        """The stored box in samples of a plane.

        subsampling: pixels for each sample.  beyond: the part of width and height that lies beyond the last column and
        row of the upright picture.
        """
        across, down = float(self.scale) / subsampling[0], float(self.scale) / subsampling[1]
        stored = stored_size(self.before, self.orientation)
        left, top, width, height = stored_box(self.box, stored, self.orientation)
        if self.orientation in FROM_RIGHT:
            left -= width * beyond[0]
        if self.orientation in FROM_BELOW:
            top -= height * beyond[1]
        return left * across, top * down, width * across * (1 + beyond[0]), height * down * (1 + beyond[1])


@dataclass(frozen=True, slots=True)
class _Parts:
    """What is resampled, as it is stored: size of the result's luma, of its colours, and the boxes in the planes."""

    size: Size
    half: Size
    luma: Box
    colours: Box


@lru_cache(maxsize=KEPT_PLANS)
def _parts(plan: PlanesPlan, subsampling: Size) -> _Parts:
    after = stored_size(plan.after, plan.orientation)
    half = -(-after[0] // 2), -(-after[1] // 2)
    # On an odd side the last sample of colour covers one pixel beyond the edge.
    beyond = 2 * half[0] / after[0] - 1, 2 * half[1] / after[1] - 1
    return _Parts(after, half, plan.part((1, 1), (0.0, 0.0)), plan.part(subsampling, beyond))


def halved(planes: Planes) -> Planes:
    """The planes at half their scale: means of four samples, of fewer at an odd edge."""
    luma, first, second = (np.asarray(frame_of(plane).reduce(2)) for plane in (planes.luma, *planes.colours))
    return Planes(luma, (first, second), planes.subsampling)


def _covering(plane: Plane, box: Box) -> tuple[Plane, Box]:
    """The plane, extended by its edges where the box is larger, and the box in it."""
    left, top, right, bottom = _margins(plane.shape, box)
    if not (left or top or right or bottom):
        return plane, box
    larger = cv2.copyMakeBorder(plane, top, bottom, left, right, cv2.BORDER_REPLICATE)
    return np.asarray(larger, np.uint8), (box[0] + left, box[1] + top, box[2], box[3])


@lru_cache(maxsize=2 * KEPT_PLANS)
def _margins(shape: tuple[int, int], box: Box) -> tuple[int, int, int, int]:
    """Samples that the box reaches beyond a plane of (rows, columns): left, top, right, bottom."""
    rows, columns = shape
    right, bottom = _whole(box[0] + box[2] - columns), _whole(box[1] + box[3] - rows)
    return _whole(-box[0]), _whole(-box[1]), right, bottom


def _whole(samples: float) -> int:
    """Samples that cover so much, and not one more for an error of rounding; 0 for less than nothing."""
    return max(0, math.ceil(samples - 1 / BOX_STEPS))


def write(planes: Planes, output: EncoderSettings, file: BinaryIO) -> None:
    """Write the planes of a result as a JPEG."""
    if not turbojpeg.IS_HERE:
        jpeg.save(_ycbcr(planes), file, output)
        return
    height, width = planes.luma.shape
    is_optimized = jpeg.has_own_tables((width, height), jpeg.asks_for_tables(output.effort))
    file.write(turbojpeg.encode(planes, output.quality, is_optimized=is_optimized))


def _ycbcr(planes: Planes) -> Frame:
    """The planes as one image of Pillow.  Its encoder finds the samples of colour again: they are means of equals."""
    height, width = planes.luma.shape
    size = 2 * planes.colours[0].shape[1], 2 * planes.colours[0].shape[0]
    colours = (cv2.resize(plane, size, interpolation=cv2.INTER_NEAREST) for plane in planes.colours)
    first, second = (np.asarray(plane, np.uint8)[:height, :width] for plane in colours)
    return Image.merge("YCbCr", [frame_of(np.ascontiguousarray(plane)) for plane in (planes.luma, first, second)])
