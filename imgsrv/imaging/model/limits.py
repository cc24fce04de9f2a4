"""Limits on pictures.  Only this module compares sizes and frames with them.

The callers check sizes before they decode or create pixels.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from mmap import mmap
from types import MappingProxyType

from imgsrv.errors import ResultTooLarge, TooManyFrames, TooManyPixels, UnusableParameters

Data = bytes | memoryview | mmap
"""The bytes of a picture file."""

NO_PARTS: Mapping[str, Data] = MappingProxyType({})
"""The further parts of an upload for a pipeline that uses none."""

Size = tuple[int, int]
"""(width, height) in pixels."""

ExactSize = tuple[float, float]
"""(width, height) of a drawing, in pixels and fractions of them."""

Box = tuple[float, float, float, float]
"""Left, top, width, height in pixels, fractions allowed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on one picture.

    max_pixels: width × height × frames, for the input and for the result of each step.
    max_frames: frames of the input.
    max_job_cost_s, max_job_memory: seconds of one core, and bytes, that a job may take by its estimate
    (imgsrv/imaging/pipelines/cost.py).
    """

    max_pixels: int = 100_000_000
    max_frames: int = 256
    max_job_cost_s: float = math.inf
    max_job_memory: float = math.inf

    def __post_init__(self) -> None:
        """Raise UnusableParameters for a limit that is negative or no number."""
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
                raise UnusableParameters("Limits", f"{name} is {value!r}; give a number of at least 0")

    def check_input(self, size: Size, frames: int = 1) -> None:
        """Raise TooManyFrames or TooManyPixels for a picture that is too large to decode."""
        self.check_frames(frames)
        if not self.allows(math.prod(size) * frames):
            raise TooManyPixels(*size, frames, self.max_pixels)

    def check_frames(self, frames: int, asked: str | None = None) -> None:
        """Raise TooManyFrames for an animation with more frames than the limit.  asked: the one that is wanted."""
        if frames > self.max_frames:
            raise TooManyFrames(self.max_frames, asked)

    def frames_to_seek(self, index: int) -> int:
        """The number of frames among which one is looked for: up to it, or to the first that is beyond the limit."""
        return min(index, self.max_frames) + 1

    def check_result(self, owner: str, size: Size, frames: int = 1) -> None:
        """Raise ResultTooLarge if the result of the operation `owner` exceeds the limit."""
        if not self.allows(math.prod(size) * frames):
            raise ResultTooLarge(owner, *size, f"{self.max_pixels / 1e6:g} megapixels (--max-pixels)")

    def check_results(self, size: Size, pixels: int) -> None:
        """Raise ResultTooLarge if a batch exceeds the limit.

        pixels: sum over all outputs so far.  size: of the last output, for the message.
        """
        if not self.allows(pixels):
            limit = f"{self.max_pixels / 1e6:g} megapixels for all outputs together (--max-pixels)"
            raise ResultTooLarge("the batch", *size, limit)

    def allows(self, pixels: float) -> bool:
        """The number of pixels is within the limit."""
        return pixels <= self.max_pixels

    def allowed(self, pixels: float) -> float:
        """The number of pixels, or the largest one within the limit."""
        return min(self.max_pixels, pixels)

    def fitting(self, size: Size) -> Size:
        """The size, or the largest one of its shape within the limit."""
        if self.allows(math.prod(size)):
            return size
        factor = math.sqrt(self.max_pixels / math.prod(size))
        return max(1, math.floor(size[0] * factor)), max(1, math.floor(size[1] * factor))
