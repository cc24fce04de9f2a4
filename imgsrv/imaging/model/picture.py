"""A decoded picture: what flows from decode through the operations to encode."""

from __future__ import annotations

from dataclasses import dataclass, field

from PIL import Image

from imgsrv.imaging.model.limits import Box, Size

Frame = Image.Image
"""One frame: a Pillow image of mode L, RGB or RGBA, 8 bits a channel, sRGB or of the picture's profile, upright, alpha
not premultiplied.  Of mode I;16, or a DeepFrame, where 16 bits stay that; see DecodePlan.is_deep."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a frame shows: a picture of `size`, whose pixels are the part `box` of the frame.

    The two differ from the frame only where a JPEG was decoded at a smaller scale: 2725 pixels at half scale
    come as 1363, of which the picture covers 1362.5.  Resampling that half pixel away as well gives 52.6 dB
    against Lanczos from full resolution, ignoring it 39.3 dB (street-6mp.jpg to 720×588).
    """

    size: Size
    box: Box

    @classmethod
    def of(cls, frame: Frame) -> Source:
        """A frame that shows exactly its own pixels."""
        return cls(frame.size, (0.0, 0.0, float(frame.width), float(frame.height)))

    def part(self, box: Box) -> Box:
        """The part of the frame that shows the part `box` of the picture."""
        x, y = self.box[2] / self.size[0], self.box[3] / self.size[1]
        return self.box[0] + box[0] * x, self.box[1] + box[1] * y, box[2] * x, box[3] * y


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a picture says of itself; orientation and colour profile are spent by decoding and not among it."""

    exif: Image.Exif = field(default_factory=Image.Exif)
    xmp: bytes | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """Frames of one size, their durations in ms, how often they loop (0: for ever, None: once).

    source: set by decoding at a smaller scale, spent by the first step.  profile: of its colours; None is sRGB.
    """

    frames: tuple[Frame, ...]
    format: str
    durations: tuple[int, ...] = ()
    loop: int | None = None
    metadata: Metadata = field(default_factory=Metadata)
    source: Source | None = None
    profile: bytes | None = None

    @property
    def size(self) -> Size:
        """(width, height) of the picture; that of every frame unless it was decoded at a smaller scale."""
        return self.source.size if self.source else self.frames[0].size

    @property
    def is_animated(self) -> bool:
        """Has more than one frame."""
        return len(self.frames) > 1
