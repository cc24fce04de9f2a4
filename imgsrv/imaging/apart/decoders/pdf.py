"""A page of a PDF by PDFium, drawn on white; and how many pages there are, and how large.

PDFium gets no fonts of the system: texts whose fonts are not in the document are drawn in the fonts that it brings.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from imgsrv.imaging.apart.tasks import Decoded, Decoder, Order

PASSWORD_NEEDED = 4
"""FPDF_ERR_PASSWORD."""

WHITE = 0xFFFFFFFF

MOST_PAGES = 1000
"""Pages whose sizes are told."""

MOST_POINTS = 1e6
"""Sides of a page are told up to so many points; a viewer need not show more than 14,400."""

FORMS_VERSION = 2
"""Version of the structure of PDFium for forms without scripts."""

TINY = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Count 1/Kids[3 0 R]>>endobj 3 0 obj"
    b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R/Resources<</Font<</F<</Type/Font/Subtype/Type1"
    b"/BaseFont/Helvetica>>>>>>>>endobj 4 0 obj<</Length 30>>stream\nBT /F 9 Tf 1 1 Td (A) Tj ET  \nendstream endobj "
    b"trailer<</Root 1 0 R>>"
)
"""One page with a letter, without a table of its objects, which PDFium makes."""


def prepare() -> Decoder:
    """Make the decoder ready, where PDFium is installed."""
    if find_spec("pypdfium2_raw") is not None:
        decode(TINY, {"facts": False, "page": 0, "mode": "RGB", "size": (9, 9)})
    return decode


@cache
def _pdfium() -> Any:
    """The functions of PDFium, which is set up to look for no font in the system.  Raises ImportError."""
    pdfium = import_module("pypdfium2_raw")
    no_folders = (ctypes.POINTER(ctypes.c_char) * 1)()
    config = pdfium.FPDF_LIBRARY_CONFIG(version=2, m_pUserFontPaths=no_folders, m_pIsolate=None, m_v8EmbedderSlot=0)
    pdfium.FPDF_InitLibraryWithConfig(config)
    return pdfium


def decode(data: bytes, order: Order) -> Decoded:
    """The facts of a document, or a page of it.

    order: mode and size; facts: only facts are wanted, and the size is that of one pixel; page: counted from 0.
    Raises ValueError.
    """
    with _opened(data) as document:
        return _facts(document) if order["facts"] else Decoded(_drawn(document, order))


@contextmanager
def _opened(data: bytes) -> Iterator[Any]:
    pdfium = _pdfium()
    document = pdfium.FPDF_LoadMemDocument64(data, len(data), None)
    if not document:
        if pdfium.FPDF_GetLastError() == PASSWORD_NEEDED:
            raise ValueError("it asks for a password")
        raise ValueError("it is broken, or no PDF that can be read")
    try:
        yield document
    finally:
        pdfium.FPDF_CloseDocument(document)


def _facts(document: Any) -> Decoded:
    """The number of pages, and width and height in points of the first ones."""
    pdfium = _pdfium()
    count, size, sizes = pdfium.FPDF_GetPageCount(document), pdfium.FS_SIZEF(), []
    for page in range(min(count, MOST_PAGES)):
        is_known = pdfium.FPDF_GetPageSizeByIndexF(document, page, size)
        sides = (size.width, size.height) if is_known else (0.0, 0.0)
        sizes.append([round(min(MOST_POINTS, max(0.0, side)), 4) if side == side else 0.0 for side in sides])  # noqa: PLR0124  a side may be no number
    return Decoded(bytes(1), {"pages": count, "sizes": sizes})


def _drawn(document: Any, order: Order) -> memoryview:
    """The page on white, row by row."""
    pdfium = _pdfium()
    width, height = order["size"]
    page = pdfium.FPDF_LoadPage(document, order["page"])
    if not page:
        raise ValueError("its page cannot be read")
    pixels = np.empty((height, width, 4), np.uint8)
    buffer = pixels.ctypes.data_as(ctypes.c_void_p)
    bitmap = pdfium.FPDFBitmap_CreateEx(width, height, pdfium.FPDFBitmap_BGRx, buffer, pixels.strides[0])
    if not bitmap:
        raise MemoryError
    info = pdfium.FPDF_FORMFILLINFO(version=FORMS_VERSION)
    forms = pdfium.FPDFDOC_InitFormFillEnvironment(document, info)
    try:
        pdfium.FPDFBitmap_FillRect(bitmap, 0, 0, width, height, WHITE)
        place = (0, 0, width, height, 0, pdfium.FPDF_ANNOT)
        pdfium.FPDF_RenderPageBitmap(bitmap, page, *place)
        if forms:
            pdfium.FPDF_FFLDraw(forms, bitmap, page, *place)
    finally:
        if forms:
            pdfium.FPDFDOC_ExitFormFillEnvironment(forms)
        pdfium.FPDFBitmap_Destroy(bitmap)
        pdfium.FPDF_ClosePage(page)
    return np.ascontiguousarray(pixels[..., 2::-1]).data.cast("B")
