"""How the pixels of a TIFF lie in its file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from imgsrv.imaging.apart.decoders.tiff.tags import (
    CIELAB,
    CMYK,
    GREYS,
    ICCLAB,
    JPEG,
    OF_LIBTIFF,
    OF_PICTURES,
    PALETTE,
    YCBCR,
)
from imgsrv.imaging.lazy import np
from imgsrv.imaging.model.limits import Size

if TYPE_CHECKING:
    from numpy.typing import NDArray

Kind = Literal["uint", "int", "float"]


@dataclass(frozen=True, slots=True)
class Layout:
    """One picture of a TIFF.

    size: in pixels.  bits, kind: of a sample.  samples: of a pixel; colours: those of them that are its colour.
    alpha: the index of the alpha sample, or None; is_associated: the colours are multiplied with it.
    is_planar: each sample has strips or tiles of its own.  segment: the size of a strip or tile.
    offsets, counts: where each segment begins in the file, and its bytes; 0 bytes where the file does not say it.
    colour_map: 3 × 2**bits levels of 16 bits.  subsampling: pixels that share a chroma sample, across and down.
    coefficients, reference: YCbCrCoefficients and ReferenceBlackWhite.  tables: JPEGTables.
    has_profile: a profile says what the inks look like.  is_lenient: what is missing or broken is left black.
    """

    size: Size
    bits: int
    kind: Kind
    samples: int
    colours: int
    alpha: int | None
    is_associated: bool
    is_planar: bool
    photometric: int
    compression: int
    predictor: int
    fill_order: int
    is_big: bool
    is_tiled: bool
    segment: Size
    offsets: NDArray[np.uint64]
    counts: NDArray[np.uint64]
    colour_map: NDArray[np.uint16] | None
    subsampling: tuple[int, int]
    coefficients: tuple[float, ...]
    reference: tuple[float, ...]
    tables: bytes
    has_profile: bool
    is_lenient: bool = False

    @property
    def is_deep(self) -> bool:
        """Its colours have more than 8 bits that a result can hold."""
        has_more = self.bits > 8 or self.photometric == PALETTE  # noqa: PLR2004
        return has_more and self.colours != 4 and not self.is_lab and not self.is_of_libtiff  # noqa: PLR2004

    @property
    def is_of_libtiff(self) -> bool:
        """Libtiff makes its pixels, of 8 bits."""
        return self.compression in OF_LIBTIFF

    @property
    def is_lab(self) -> bool:
        """Its colours are CIELAB in one of two codings."""
        return self.photometric in (CIELAB, ICCLAB)

    @property
    def colour_channels(self) -> int:
        """Channels of a pixel without alpha."""
        return 3 if self.photometric == PALETTE else self.colours

    @property
    def is_subsampled(self) -> bool:
        """Its chroma has fewer samples than its luma, and no codec of pictures hides that."""
        return self.photometric == YCBCR and self.compression not in OF_PICTURES and self.subsampling != (1, 1)

    @property
    def is_ycbcr(self) -> bool:
        """Its samples are luma and chroma when they are decompressed; libjpeg makes RGB of them."""
        return self.photometric == YCBCR and (self.compression != JPEG or self.is_planar)

    @property
    def grid(self) -> Size:
        """Segments across and down."""
        return math.ceil(self.size[0] / self.segment[0]), math.ceil(self.size[1] / self.segment[1])

    def mode(self, *, is_deep: bool) -> str:
        """The mode of the pixels that the decoder gives, without and with 16 bits."""
        has_alpha = self.alpha is not None
        if self.photometric == CMYK and not (has_alpha and not self.has_profile):
            return "CMYK"
        if self.is_lab:
            return "LAB"
        if is_deep and self.is_deep:
            return "RGBA;16" if has_alpha else "I;16" if self.photometric in GREYS else "RGB;16"
        if has_alpha and not self.is_of_libtiff:
            return "RGBA"
        return "L" if self.photometric in GREYS else "RGB"
