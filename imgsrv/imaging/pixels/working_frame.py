"""Frames as operations see them: one set of modes and methods for 8 and for 16 bits a channel.

A frame of 8 bits is an image of Pillow's.  Pillow has no mode for 16 bits of colour, so a pipeline works on a
`WorkingFrame` instead; it has the modes L, RGB and RGBA too, and of Pillow's methods those that operations use.  Levels
are given in 8 bits everywhere: 255 is white at either depth, and parts of a level count at 16 bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from PIL import Image

from imgsrv.imaging.lazy import cv2, np
from imgsrv.imaging.memory.huge_pages import blank_picture
from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.pixels.sixteen_bit import GREY, MOST, STEPS_OF_8_BITS, DeepFrame, DeepPixels, to_8_bits, turned
from imgsrv.imaging.pixels.sixteen_bit import shallow as shallow_decoded

if TYPE_CHECKING:
    from numpy.typing import NDArray

Pixels: TypeAlias = "NDArray[np.uint8 | np.uint16]"
"""(H, W) for mode L, (H, W, 3) for RGB, (H, W, 4) for RGBA, in 8 or in 16 bits."""

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""By number of channels."""

BAND_PIXELS = 1 << 17
"""Pixels that are mixed at once in floating point."""


class WorkingFrame(Image.Image):
    """A frame with 16 bits a channel.  pixels: grey, RGB or RGBA.

    A part that `crop` gives shares its pixels with the frame until it is written to.
    """

    def __init__(self, pixels: DeepPixels) -> None:
        super().__init__()
        self.pixels = pixels
        self._mode, self._size = MODES[pixels.shape[2]], pixels.shape[1::-1]
        self._is_shared = False

    @property
    def __array_interface__(self) -> Any:
        """Not there, so that numpy takes `__array__`, which copies nothing."""
        raise AttributeError

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: FBT001  numpy's protocol
        """The pixels for numpy, not to be written to: (H, W) for grey, else (H, W, C)."""
        pixels = (self.pixels[..., 0] if self.mode == "L" else self.pixels).view()
        pixels.flags.writeable = False
        self._is_shared = True
        return np.array(pixels, dtype, copy=copy)

    def _make_own(self) -> None:
        """Copy pixels that something else sees too, before they are written to."""
        if self._is_shared or not self.pixels.flags.writeable:
            self.pixels, self._is_shared = self.pixels.copy(), False

    def load(self) -> None:
        """Do nothing: the pixels are in memory."""

    def copy(self) -> WorkingFrame:
        """A frame with pixels of its own."""
        return WorkingFrame(self.pixels.copy())

    def crop(self, box: Any = None) -> WorkingFrame:
        """The part between left, top, right and bottom; black and transparent outside the frame."""
        left, top, right, bottom = box
        inside = max(0, left), max(0, top), min(self.width, right), min(self.height, bottom)
        part = self.pixels[inside[1] : inside[3], inside[0] : inside[2]]
        if inside == (left, top, right, bottom):
            part.flags.writeable = False
            return WorkingFrame(part)
        result = np.zeros((bottom - top, right - left, self.pixels.shape[2]), np.uint16)
        if part.size:
            result[inside[1] - top : inside[3] - top, inside[0] - left : inside[2] - left] = part
        return WorkingFrame(result)

    def transpose(self, method: Image.Transpose) -> WorkingFrame:
        """The frame mirrored and turned."""
        return WorkingFrame(turned(self.pixels, method))

    def convert(  # type: ignore[override]  # without what concerns palettes
        self, mode: str, matrix: Sequence[float] | None = None
    ) -> WorkingFrame:
        """The frame in mode L, RGB or RGBA.

        matrix: (3, 4) by rows, as Pillow's: weights of red, green and blue, and an offset in levels.
        """
        if mode not in MODES.values() or (matrix is not None and self.mode != "RGB"):
            raise ValueError(f"a frame of 16 bits does not become {mode}")
        if matrix is not None:
            weights = np.reshape(matrix, (3, 4)) * (1, 1, 1, STEPS_OF_8_BITS)
            return WorkingFrame(np.asarray(cv2.transform(self.pixels, weights), np.uint16))
        if mode == self.mode:
            return self.copy()
        names = {"L": "GRAY"}
        code = getattr(cv2, f"COLOR_{names.get(self.mode, self.mode)}2{names.get(mode, mode)}")
        return WorkingFrame(np.asarray(np.atleast_3d(cv2.cvtColor(self.pixels, code)), np.uint16))

    def getchannel(self, channel: int | str) -> WorkingFrame:
        """A channel, by its number or name, in mode L."""
        number = self.mode.index(channel) if isinstance(channel, str) else channel
        return _grey(np.asarray(cv2.extractChannel(self.pixels, number), np.uint16))

    def putalpha(self, alpha: Frame | int) -> None:
        """Give the frame an alpha, a frame of mode L or a level; grey becomes RGB."""
        if self.mode != "RGBA":
            self.__init__(self.convert("RGBA").pixels)  # type: ignore[misc]  # the mode changes with the pixels
        self._make_own()
        self.pixels[..., 3] = alpha * STEPS_OF_8_BITS if isinstance(alpha, int) else deep_pixels(alpha)[..., 0]

    def paste(self, im: Any, box: Any = None, mask: Frame | None = None) -> None:
        """Put a frame of the same mode, or a colour in levels, at left and top; mask: of mode L, its weight."""
        left, top = box[:2] if box else (0, 0)
        is_frame = isinstance(im, Image.Image)
        width, height = (im if is_frame else mask or self).size
        self._make_own()
        area = max(0, left), max(0, top), min(self.width, left + width), min(self.height, top + height)
        if area[0] >= area[2] or area[1] >= area[3]:
            return
        ours = self.pixels[area[1] : area[3], area[0] : area[2]]
        over: Any = (area[0] - left, area[1] - top, area[2] - left, area[3] - top)
        above: Any = deep_pixels(im.crop(over)) if is_frame else _levels(im)[: ours.shape[2]]
        if mask is None:
            ours[...] = above
            return
        weights = deep_pixels(mask.crop(over))
        for part in _bands(ours):
            share = weights[part] / np.float32(MOST)
            below = ours[part].astype(np.float32)
            ours[part] = np.rint(below + (np.asarray(above[part] if is_frame else above) - below) * share)

    def resize(
        self, size: Any, resample: int | None = None, box: Any = None, _gap: float | None = None
    ) -> WorkingFrame:
        """The part `box` at another size by one of Pillow's filters, with premultiplied alpha."""
        if resample == Image.Resampling.NEAREST:
            left, top, right, bottom = box or (0, 0, *self.size)
            columns, rows = _nearest(left, right, size[0]), _nearest(top, bottom, size[1])
            return WorkingFrame(self.pixels.take(columns, axis=1).take(rows, axis=0))
        weighted = premultiplied_pixels(self.pixels)
        planes = [
            np.asarray(Image.fromarray(plane.astype(np.float32)).resize(size, resample, box)).clip(0, MOST).round()
            for plane in cv2.split(weighted)
        ]
        return WorkingFrame(straight_pixels(np.dstack(planes).astype(np.uint16)))

    def reduce(self, factor: Any, _box: Any = None) -> WorkingFrame:
        """The mean of each square of `factor` pixels, premultiplied; at the edges, of the pixels inside."""
        weighted = premultiplied_pixels(self.pixels)
        size = -(-self.height // factor), -(-self.width // factor)
        result = np.empty((*size, weighted.shape[2]), np.uint16)
        # The squares that an edge cuts are shrunk by themselves.
        for down, rows in _squares(self.height, factor):
            for across, columns in _squares(self.width, factor):
                part = np.ascontiguousarray(weighted[rows, columns])
                small = cv2.resize(
                    part, (across.stop - across.start, down.stop - down.start), interpolation=cv2.INTER_AREA
                )
                result[down, across] = np.atleast_3d(small)
        return WorkingFrame(straight_pixels(result))

    def shallow(self) -> Frame:
        """The frame in 8 bits, rounded."""
        return Image.fromarray(to_8_bits(np.asarray(self)))


def _nearest(start: float, stop: float, side: int) -> NDArray[np.intp]:
    """(side,): the pixel nearest to the middle of each of so many between start and stop."""
    middles = start + (np.arange(side) + 0.5) * ((stop - start) / side)
    return np.asarray(middles, np.intp)


def _squares(side: int, factor: int) -> list[tuple[slice, slice]]:
    """Whole squares along a side and then the one that the edge cuts: where they go, and the pixels they have."""
    whole = side // factor
    found = [(slice(0, whole), slice(0, whole * factor)), (slice(whole, whole + 1), slice(whole * factor, side))]
    return [(squares, pixels) for squares, pixels in found if pixels.stop > pixels.start]


def _grey(plane: NDArray[np.uint16]) -> WorkingFrame:
    return WorkingFrame(plane[..., np.newaxis])


def _levels(colour: Any) -> NDArray[np.uint16]:
    """A colour of Pillow's, a level or several, in 16 bits."""
    return np.atleast_1d(np.asarray(colour, np.uint16)) * np.uint16(STEPS_OF_8_BITS)


def working(frame: Frame) -> Frame:
    """The frame as operations work on it: one of 16 bits as a WorkingFrame."""
    if isinstance(frame, DeepFrame):
        return WorkingFrame(frame.pixels)
    if frame.mode != GREY:
        return frame
    pixels = np.empty((frame.height, frame.width, 1), np.uint16)
    # In bands, because Pillow makes two copies.
    for rows in _bands(pixels):
        stop = min(rows.stop, frame.height)
        pixels[rows, :, 0] = np.asarray(frame.crop((0, rows.start, frame.width, stop)))
    return WorkingFrame(pixels)


def finished(frame: Frame) -> Frame:
    """The frame as encoders write it: the inverse of `working`."""
    if not isinstance(frame, WorkingFrame):
        return frame
    return Image.fromarray(np.ascontiguousarray(frame)) if frame.mode == "L" else DeepFrame(frame.pixels)


def shallow(frame: Frame) -> Frame:
    """The frame in 8 bits a channel, for what works on no more: a decision by pixels, a mask."""
    return frame.shallow() if isinstance(frame, WorkingFrame) else shallow_decoded(frame)


def blank(frame: Frame, mode: str, size: Size, colour: Any = 0) -> Frame:
    """A new frame with as many bits as `frame` has.  colour: of Pillow's, in levels."""
    if not isinstance(frame, WorkingFrame):
        return Image.new(mode, size, colour) if colour else blank_picture(mode, size)
    # 10 × faster than numpy for a colour.
    levels = [float(level) for level in _levels(colour)]
    shape = (*size[::-1], len(mode))
    if len(set(levels)) == 1:
        return WorkingFrame(np.full(shape, levels[0], np.uint16))
    return WorkingFrame(np.asarray(cv2.merge([np.full(shape[:2], level, np.uint16) for level in levels]), np.uint16))


def frame_of(pixels: Pixels) -> Frame:
    """The frame of an array, in 8 or 16 bits as the array."""
    if pixels.dtype != np.uint16:
        return Image.fromarray(pixels)
    return WorkingFrame(np.asarray(np.atleast_3d(pixels), np.uint16))


def deep_pixels(frame: Frame) -> DeepPixels:
    """The pixels of a frame of either depth in 16 bits."""
    if isinstance(frame, WorkingFrame):
        return frame.pixels
    return np.asarray(np.atleast_3d(np.asarray(frame)), np.uint16) * np.uint16(STEPS_OF_8_BITS)


def steps_of(pixels: Pixels | Frame) -> int:
    """Steps of an array's or a frame's samples in one level of 8 bits: 1 or 257."""
    is_deep = isinstance(pixels, WorkingFrame) if isinstance(pixels, Image.Image) else pixels.dtype == np.uint16
    return STEPS_OF_8_BITS if is_deep else 1


DEPTHS = {1: 0, 2: 2}
"""OpenCV's names of the types of samples, CV_8U and CV_16U, by their bytes."""


def premultiplied_pixels(pixels: DeepPixels) -> DeepPixels:
    """RGBA with the colours multiplied by alpha, rounded; grey and RGB as they are."""
    if pixels.shape[2] != len("RGBA"):
        return pixels
    result = np.empty_like(pixels)
    for rows in _bands(pixels):
        *colours, alpha = cv2.split(pixels[rows])
        result[rows] = cv2.merge([*(cv2.multiply(colour, alpha, scale=1 / MOST) for colour in colours), alpha])
    return result


def straight_pixels(pixels: DeepPixels) -> DeepPixels:
    """The inverse of `premultiplied_pixels`, in place.

    A colour above its alpha, which a kernel with negative lobes leaves, becomes the brightest one.
    """
    if pixels.shape[2] != len("RGBA"):
        return pixels
    for rows in _bands(pixels):
        *colours, alpha = cv2.split(pixels[rows])
        pixels[rows] = cv2.merge([*(cv2.divide(colour, alpha, scale=MOST) for colour in colours), alpha])
    return pixels


def _bands(pixels: DeepPixels) -> Iterator[slice]:
    rows = max(1, BAND_PIXELS // max(1, pixels.shape[1]))
    return (slice(top, top + rows) for top in range(0, len(pixels), rows))
