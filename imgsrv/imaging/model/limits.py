"""What a picture may be at most, checked from its header before anything is decoded."""

from dataclasses import dataclass
from mmap import mmap

from imgsrv.errors import ResultTooLarge, TooManyFrames, TooManyPixels

Data = bytes | memoryview | mmap
"""The bytes of a picture file."""

Size = tuple[int, int]
"""(width, height) in pixels."""

Box = tuple[float, float, float, float]
"""Left, top, width, height in pixels, fractions allowed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one picture.  max_pixels: width × height × frames, of the input and of every step's result."""

    max_pixels: int = 100_000_000
    max_frames: int = 256

    def check_header(self, size: Size, frames: int = 1) -> None:
        """Raise TooManyFrames or TooManyPixels for a picture that is too large to decode."""
        if frames > self.max_frames:
            raise TooManyFrames(self.max_frames)
        if size[0] * size[1] * frames > self.max_pixels:
            raise TooManyPixels(*size, frames, self.max_pixels)

    def check_result(self, owner: str, size: Size, frames: int = 1) -> None:
        """Raise ResultTooLarge for an operation whose result would be too large to make."""
        if size[0] * size[1] * frames > self.max_pixels:
            raise ResultTooLarge(owner, *size, f"{self.max_pixels / 1e6:g} megapixels (--max-pixels)")
