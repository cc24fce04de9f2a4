"""A decoded picture: `decode` returns it, the operations change it, `encode` writes it."""

from __future__ import annotations

from dataclasses import dataclass, field

from PIL import Image

from imgsrv.imaging.model.animation import ONCE, Milliseconds
from imgsrv.imaging.model.cicp import Cicp
from imgsrv.imaging.model.gain_map import GainMap
from imgsrv.imaging.model.limits import Box, Size

Frame = Image.Image
"""One frame: an upright Pillow image of mode L, RGB or RGBA with 8 bits per channel; alpha is not premultiplied.

Its colours are sRGB or those of the picture's profile.  Where 16 bits are kept it has mode I;16 or is a DeepFrame; see
DecodePlan.is_deep."""


@dataclass(frozen=True, slots=True)
class Source:
    """Which picture a frame shows.  size: of that picture.  box: the part of the frame that the picture covers.

    Both differ from the frame only if a JPEG was decoded at a smaller scale: 2725 pixels at half scale are decoded
    into 1363, and the picture covers 1362.5 of them.  Resampling from exactly this box gives 52.6 dB against Lanczos
    from full resolution, and ignoring the half pixel 39.3 dB (street-6mp.jpg to 720×588).
    """

    size: Size
    box: Box

    @classmethod
    def of(cls, frame: Frame) -> Source:
        """The source of a frame that shows exactly its own pixels."""
        return cls(frame.size, (0.0, 0.0, float(frame.width), float(frame.height)))

    def part(self, box: Box) -> Box:
        """The part of the frame that shows the part `box` of the picture."""
        x, y = self.box[2] / self.size[0], self.box[3] / self.size[1]
        return self.box[0] + box[0] * x, self.box[1] + box[1] * y, box[2] * x, box[3] * y


Resolution = tuple[float, float]
"""Pixels per inch, across and down."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """EXIF and XMP of a picture.  Decoding applies orientation and colour profile, so they are not included.

    is_reshaped: pixels do not have the places that they had in the file.  resolution: of the upright picture.
    """

    exif: Image.Exif = field(default_factory=Image.Exif)
    xmp: bytes | None = None
    is_reshaped: bool = False
    resolution: Resolution | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """Frames of one size.

    durations: of each frame, in ms.  plays: how often an animation plays, 0 for ever.
    source: set by decoding at a smaller scale; the first step uses and removes it.
    profile: ICC profile of the colours; None is sRGB.  cicp: their code points, where the levels are those of high
    dynamic range.  gain_map: that of a still picture whose result may keep it.
    """

    frames: tuple[Frame, ...]
    format: str
    durations: tuple[Milliseconds, ...] = ()
    plays: int = ONCE
    metadata: Metadata = field(default_factory=Metadata)
    source: Source | None = None
    profile: bytes | None = None
    cicp: Cicp | None = None
    gain_map: GainMap | None = None

    @property
    def size(self) -> Size:
        """(width, height) of the picture; it is the size of every frame unless decoding used a smaller scale."""
        return self.source.size if self.source else self.frames[0].size

    @property
    def is_animated(self) -> bool:
        """The picture has more than one frame."""
        return len(self.frames) > 1
