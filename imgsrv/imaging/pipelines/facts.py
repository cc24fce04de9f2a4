"""The facts of a picture before it is decoded, and of the further parts of its upload."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from imgsrv.errors import ImgsrvError, TooManyFrames
from imgsrv.imaging.codecs.bit_depth import bit_depth_of
from imgsrv.imaging.codecs.decode import Header, read_header
from imgsrv.imaging.codecs.frame_durations import read_durations
from imgsrv.imaging.colour.colours import Colours, colours_of
from imgsrv.imaging.formats.format import Format
from imgsrv.imaging.model.broken import BROKEN
from imgsrv.imaging.model.limits import Data, ExactSize, Limits, Size
from imgsrv.imaging.operations.registry import pixels

SMOOTH_BITS, NOISE_BITS = 4.0, 10.0
"""Bits of the file for a pixel, up to which a picture counts as smooth, and from which it counts as noise."""

DETAIL_STEP = 1 / 32
"""Detail is rounded up to a multiple of this, so that pictures that hardly differ have one estimate."""

NO_COLOURS = Colours()
"""Those of sRGB."""

HEADER_BYTES = 1000
"""Bytes of a file that hold no pixels: without them every tiny picture would count as noise."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of a picture before it is decoded.

    size: upright, in pixels.  frames: that would be decoded of an animation.  file_bytes: its length.
    parts: further parts of the upload: the facts of a picture, or the bytes of another file.
    has_alpha: some pixels may be transparent.  bit_depth: bits of a channel in the file.
    before: frames of an animation that have to be decoded before the one that is wanted.
    gain_map: the size of a gain map that is asked for.
    colours: of the pixels, where converting them takes long: with more than 8 bits a channel or high dynamic range.
    """

    form: Format
    size: Size
    frames: int
    file_bytes: int
    parts: Mapping[str, Facts | int] = field(default_factory=dict, hash=False)
    has_alpha: bool = True
    bit_depth: int = 8
    before: int = 0
    colours: Colours = NO_COLOURS
    gain_map: Size | None = None

    @property
    def format(self) -> str:
        """The name of the format."""
        return self.form.name

    @property
    def exact_size(self) -> ExactSize:
        """The size of a drawing, as far as it is known."""
        return self.size

    @property
    def detail(self) -> float:
        """0 for a smooth picture to 1 for noise, by the bits of the file for a pixel."""
        bits = 8 * max(0, self.file_bytes - HEADER_BYTES) / max(1, pixels(self.size) * (self.frames + self.before))
        return min(1.0, max(0.0, (bits - SMOOTH_BITS) / (NOISE_BITS - SMOOTH_BITS)))

    @property
    def rounded(self) -> Facts:
        """The same facts with a length of the file that gives the next multiple of DETAIL_STEP."""
        bits = SMOOTH_BITS + (NOISE_BITS - SMOOTH_BITS) * math.ceil(self.detail / DETAIL_STEP) * DETAIL_STEP
        area = max(1, pixels(self.size) * (self.frames + self.before))
        return replace(self, file_bytes=HEADER_BYTES + math.ceil(bits * area / 8))

    @property
    def is_deep(self) -> bool:
        """It has more than 8 bits a channel."""
        return self.bit_depth > 8  # noqa: PLR2004  bits of a byte

    def pixel_bytes(self, *, has_alpha: bool) -> int:
        """Bytes of a pixel of a frame."""
        return (4 if has_alpha else 3) * (2 if self.is_deep else 1)

    @property
    def sideways(self) -> Facts:
        """The facts of the same picture, turned by 90 degrees."""
        return replace(self, size=self.size[::-1])


def facts_of(
    header: Header, file_bytes: int, limits: Limits, data: Data | None = None, parts: Mapping[str, Data] | None = None
) -> Facts:
    """The facts of an opened picture and of further parts.

    data: the file, to count the frames that its header does not tell; None to count one.
    """
    frames = header.frames if header.index is None else 1
    if data is not None and header.index is None and header.form.reads_animation and not header.form.counts_frames:
        frames = _counted(header, data, limits)
    further = {name: _part_facts(part, limits) for name, part in (parts or {}).items()}
    bits = 8 if data is None else bit_depth_of(header, data)
    before = header.index or 0 if header.form.has_animation else 0
    colours = _colours(header, bits)
    return Facts(header.form, header.size, frames, file_bytes, further, header.may_have_alpha, bits, before, colours)


def _colours(header: Header, bits: int) -> Colours:
    """The colours of an opened picture, looked at only where they count."""
    if bits <= 8 and "cicp" not in header.info:  # noqa: PLR2004  bits of a byte
        return NO_COLOURS
    # What is wrong with them is said when the picture is decoded.
    with suppress(*BROKEN):
        return colours_of(header.info, header.mode)
    return NO_COLOURS


def _counted(header: Header, data: Data, limits: Limits) -> int:
    """The frames by the structure of the file, at most those that are ever decoded."""
    try:
        return max(1, len(read_durations(header.form, header.frames, data, limits) or ()))
    except TooManyFrames:
        # Only a result that shows all of them is refused for that, when it is decoded.
        return limits.max_frames


def _part_facts(data: Data, limits: Limits) -> Facts | int:
    try:
        return facts_of(read_header(data, limits), len(data), limits)
    except ImgsrvError:
        return len(data)
