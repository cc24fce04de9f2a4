"""Coding-independent code points: the colours of a picture by three numbers (ITU-T H.273, ISO/IEC 23091-2)."""

from __future__ import annotations

from dataclasses import dataclass

UNSPECIFIED = 2
"""The code of primaries, transfer and matrix of a file that does not tell them."""

BT_601 = 6
"""The code of the matrix that all formats take for a picture in sRGB."""

MATRICES = {9: 9}
"""The matrix that belongs to primaries, where it is another one: that of BT.2020."""

PQ, HLG = 16, 18
"""The transfer characteristics of high dynamic range (ITU-R BT.2100)."""


@dataclass(frozen=True, slots=True)
class Cicp:
    """The colours of a picture.

    primaries, transfer, matrix: codes of the tables 2, 3 and 4 of H.273.  is_full_range: samples use all values.
    Decoders apply matrix and range, so that only primaries and transfer matter for RGB pixels.
    """

    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    matrix: int = UNSPECIFIED
    is_full_range: bool = True

    @property
    def is_hdr(self) -> bool:
        """The levels are those of high dynamic range: no ICC profile is a good account of them."""
        return self.transfer in (PQ, HLG)
