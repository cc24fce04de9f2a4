"""PDF: a page, drawn at any size on white by PDFium, in a process of its own; see `imgsrv/imaging/apart/`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from PIL import Image, ImageFile

from imgsrv.imaging.apart.pictures import Wanted, decode_apart
from imgsrv.imaging.apart.process import Allowance
from imgsrv.imaging.formats.format import Format
from imgsrv.imaging.model.limits import ExactSize, Size
from imgsrv.imaging.model.picture import Frame

NAME = "pdf"

SIGNATURE = b"%PDF-"

PIXELS_PER_POINT = 96 / 72
"""A point is 1/72 of an inch, and a pixel of CSS 1/96."""

CPU_S, WALL_S = 8, 60
"""Most processor time for one page, and the longest wait for it, in seconds."""

SPARE_BYTES, BYTES_PER_PIXEL = 512 << 20, 24
"""Memory of the helper for everything but the pixels; memory per pixel, for the page and layers that it composes."""

BOOKED_BYTES = 128 << 20
"""The part of SPARE_BYTES that an estimate counts."""

OVERFLOWS = ("SIGSEGV", "SIGABRT", "SIGTRAP", "SIGILL", "SIGBUS")
"""How the process ends where PDFium gets no more memory."""


class PdfFile(ImageFile.ImageFile):
    """A PDF in Pillow, whose frames are its pages.  `load` draws one, at its own size or the one of `draft`."""

    format = "PDFIUM"
    format_description = "Portable Document Format"

    def _open(self) -> None:
        facts = self._asked({"facts": True, "page": 0}, "L", (1, 1))[1]
        self.n_frames = int(facts["pages"])
        self._sizes: list[tuple[float, float]] = facts["sizes"]
        if not self._sizes:
            raise SyntaxError("it has no pages")
        self._mode, self._page = "RGB", 0
        self._turn_to(0)
        self.tile = []

    @property
    def exact_size(self) -> ExactSize:
        """Width and height of the page in pixels of CSS."""
        width, height = self._sizes[self._page]
        return width * PIXELS_PER_POINT, height * PIXELS_PER_POINT

    def _turn_to(self, page: int) -> None:
        if min(self._sizes[page]) <= 0:
            raise SyntaxError(f"its page {page + 1} has no size")
        self._page, self._im = page, None
        width, height = self.exact_size
        self._size = max(1, round(width)), max(1, round(height))

    def seek(self, frame: int) -> None:
        """Turn to a page.  Raises EOFError."""
        if not 0 <= frame < len(self._sizes):
            raise EOFError("there is no such page")
        if frame != self._page:
            self._turn_to(frame)

    def tell(self) -> int:
        """The page."""
        return self._page

    def draft(self, mode: str | None, size: tuple[int, int] | None) -> None:
        """Set the size at which `load` draws, also after another one was drawn."""
        del mode
        if size is not None:
            self._size, self._im = size, None

    def load(self) -> Any:
        """Draw the page once."""
        if self._im is None:
            self.im = self._asked({"facts": False, "page": self._page}, "RGB", self.size)[0].im
        return super().load()

    def _asked(self, order: Mapping[str, Any], mode: str, size: Size) -> tuple[Frame, Mapping[str, Any]]:
        assert self.fp is not None  # noqa: S101  for the type checker
        memory = SPARE_BYTES + BYTES_PER_PIXEL * size[0] * size[1]
        wanted = Wanted(NAME, mode, size, order, BYTES_PER_PIXEL, Allowance(memory, CPU_S, WALL_S), OVERFLOWS)
        frame, facts, _profile = decode_apart(self.fp, NAME, wanted)
        return frame, facts


def _exact_size(image: Image.Image) -> ExactSize | None:
    return image.exact_size if isinstance(image, PdfFile) else None


def _count_pages(image: Image.Image) -> int | None:
    return image.n_frames if isinstance(image, PdfFile) else 1


@cache
def _register() -> None:
    Image.register_open(PdfFile.format, PdfFile, lambda head: head.startswith(SIGNATURE))


FORMAT = Format(
    name=NAME,
    label="PDF",
    pillow="PDF",
    reader=PdfFile.format,
    media_type="application/pdf",
    suffixes=(".pdf",),
    position=17,
    extra="pdf",
    wheel="pypdfium2_raw",
    register=_register,
    signatures=(SIGNATURE,),
    has_alpha=False,
    has_metadata=False,
    count_pages=_count_pages,
    may_read_exif=lambda _image: False,
    is_vector=True,
    exact_size=_exact_size,
    options=None,
    decode_bytes_per_pixel=BYTES_PER_PIXEL,
    decode_bytes=BOOKED_BYTES,
)
