"""A second picture that an operation lays over the first: its first frame at any size, in sRGB with alpha."""

from __future__ import annotations

from imgsrv.imaging.codecs.decode import DecodePlan, decode, read_header
from imgsrv.imaging.model.limits import Data, Limits, Size
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.pixels.resample import resample


class SecondPicture:
    """The second picture of an operation.  size: its own, in pixels; of a drawing, not always whole ones."""

    def __init__(self, data: Data, limits: Limits) -> None:
        """Read it.  Raises what `read_header` and `decode` raise."""
        self._header, self._limits = read_header(data, limits), limits
        self.size = self._header.exact_size
        # A drawing has no pixels before somebody wants it at a size.
        self._frame = None if self._header.form.is_vector else self._decoded(None)

    def at(self, size: Size) -> Frame:
        """The picture at that size in pixels, mode RGBA: resampled, or drawn.  It is the caller's own to change."""
        if self._header.form.is_vector and (self._frame is None or self._frame.size != size):
            self._frame = self._decoded(size)
        frame = self._frame or self._decoded(size)
        return frame.copy() if frame.size == size else resample(frame, size)

    def _decoded(self, drawn: Size | None) -> Frame:
        return decode(self._header, DecodePlan(drawn=drawn), self._limits).frames[0].convert("RGBA")
