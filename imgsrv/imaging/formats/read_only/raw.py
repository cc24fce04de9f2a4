"""Camera raw: DNG, and the formats of Canon, Nikon, Sony, Fujifilm, Olympus, Panasonic and others, by LibRaw.

Most of them are TIFFs.  The reader of TIFFs finds out which are, and raises ReadAsError with the name of this format.
"""

from __future__ import annotations

from typing import IO

from PIL import Image

from imgsrv.imaging.apart.pictures import Wanted, decode_apart
from imgsrv.imaging.apart.process import Allowance
from imgsrv.imaging.formats.read_only.raster import Raster, RasterFile, check_size, raster_format
from imgsrv.imaging.model.picture import Frame

NAME, WHEEL = "raw", "rawpy"

SIGNATURES = (
    b"FUJIFILMCCD-RAW",
    b"IIRO",
    b"IIRS",
    b"MMOR",
    b"IIU\0",
    b"FOVb",
    b"\0MRM",
    b"II\x1a\0\0\0HEAPCCDR",
)
"""RAF; ORF, three kinds; RW2; X3F; MRW; CRW."""

CR3, CR3_AT = b"ftypcrx ", 4
"""The brand of a CR3 in its first box."""

TIFF_STARTS = (b"II*\0", b"MM\0*")

SCALES = (8, 4, 2)

BYTES_PER_PIXEL = 30.0
"""Of a Bayer sensor, the helper takes 16 and the frame 6; sensors with three values a pixel take 6 more."""

SPARE_BYTES = 512 << 20
"""Memory of the helper for everything but the pixels."""

BOOKED_BYTES = 64 << 20
"""The part of SPARE_BYTES that an estimate counts."""

CPU_S, WALL_S = 120, 120


class RawFile(RasterFile):
    """A camera raw file in Pillow, upright.  `load` decodes it, also at a smaller scale by `draft`."""

    format = "LIBRAW"
    format_description = "Camera raw"
    task = NAME
    bytes_per_pixel = BYTES_PER_PIXEL
    scale = 1

    @staticmethod
    def read_header(file: IO[bytes]) -> Raster:
        """The facts.  Raises SyntaxError, and what `decode_apart` raises but for OSError."""
        wanted = Wanted(NAME, "L", (1, 1), {"facts": True}, BYTES_PER_PIXEL, _allowed(0))
        try:
            facts = decode_apart(file, NAME, wanted)[1]
        except OSError as error:
            # Pillow asks every reader without a signature, and stops at any other exception.
            raise SyntaxError(str(error)) from error
        width, height = (int(side) for side in facts["size"])
        return Raster(check_size(width, height), "RGB", "RGB;16", int(facts["bits"]))

    def draft(self, mode: str | None, size: tuple[int, int] | None) -> None:
        """Let `load` decode at the smallest scale that still has that size."""
        del mode
        width, height = self.raster.size
        if size is not None:
            fits = (scale for scale in SCALES if width // scale >= size[0] and height // scale >= size[1])
            self.scale = next(fits, 1)
            self._size = -(-width // self.scale), -(-height // self.scale)

    def pixels(self, *, is_deep: bool) -> Frame:
        """The frame.  Raises what `decode_apart` raises."""
        assert self.fp is not None  # noqa: S101  for the type checker
        width, height = self.raster.size
        order = {"facts": False, "scale": self.scale}
        mode = "RGB;16" if is_deep else "RGB"
        wanted = Wanted(NAME, mode, self.size, order, BYTES_PER_PIXEL, _allowed(width * height))
        return decode_apart(self.fp, NAME, wanted)[0]

    def getexif(self) -> Image.Exif:
        """The tags of a file that is a TIFF; none of another."""
        exif = Image.Exif()
        assert self.fp is not None  # noqa: S101
        self.fp.seek(0)
        if self.fp.read(len(TIFF_STARTS[0])) in TIFF_STARTS:
            self.fp.seek(0)
            exif.load_from_fp(self.fp)
        return exif


def _allowed(pixels: int) -> Allowance:
    return Allowance(SPARE_BYTES + round(BYTES_PER_PIXEL * pixels), CPU_S, WALL_S)


def _begins(head: bytes) -> bool:
    return head.startswith(SIGNATURES) or head[CR3_AT : CR3_AT + len(CR3)] == CR3


FORMAT = raster_format(
    RawFile,
    lambda head: _begins(head) or head.startswith(TIFF_STARTS),
    name=NAME,
    label="Camera raw",
    pillow="LIBRAW",
    media_type="image/x-dcraw",
    suffixes=(".dng", ".cr2", ".cr3", ".crw", ".nef", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw", ".x3f", ".mrw"),
    position=18,
    extra=NAME,
    wheel=WHEEL,
    begins=_begins,
    has_alpha=False,
    scales=SCALES,
    is_upright=True,
    may_read_exif=lambda _image: True,
    decode_bytes=BOOKED_BYTES,
)
