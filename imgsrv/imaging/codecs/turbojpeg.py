"""TurboJPEG through ctypes: a JPEG as its own planes of luma and colours, without any conversion.

The wheel of the extra `turbo` contains libjpeg-turbo and exports its functions.  Nothing here raises for a picture:
if the library refuses a JPEG or warns of it, Pillow decodes it, or refuses it with a reason.  Names and numbers are
those of turbojpeg.h, the same in every version 3.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from imgsrv.imaging.model.limits import Data, Size
from imgsrv.imaging.pixels.resample import Plane

WHEEL, EXTENSION = "pylibjxl", "_pylibjxl*.so"

SCALES = (Fraction(1, 8), Fraction(1, 4), Fraction(3, 8), Fraction(1, 2), Fraction(1))
"""Scales at which a JPEG is decoded, smallest first; other scales take longer than full size."""


class _Use(IntEnum):
    COMPRESS, DECOMPRESS = 0, 1


class _Parameter(IntEnum):
    STOP_ON_WARNING = 0
    NO_REALLOC = 2
    QUALITY = 3
    SUBSAMPLING = 4
    WIDTH = 5
    HEIGHT = 6
    COLOURS = 8
    OPTIMIZE = 11


YCBCR = 1
"""The value of COLOURS for luma and two colours."""


class Subsampling(IntEnum):
    """Chroma subsampling, by the numbers of the library."""

    EACH = 0
    TWO_ACROSS = 1
    FOUR = 2
    TWO_DOWN = 4


FACTORS: dict[Subsampling, Size] = {
    Subsampling.EACH: (1, 1),
    Subsampling.TWO_ACROSS: (2, 1),
    Subsampling.FOUR: (2, 2),
    Subsampling.TWO_DOWN: (1, 2),
}
"""Pixels across and down for each sample of colour."""


class _Scale(ctypes.Structure):
    _fields_ = (("numerator", ctypes.c_int), ("denominator", ctypes.c_int))


_PLANES = ctypes.c_void_p * 3

SIGNATURES = {
    "tj3Init": (ctypes.c_void_p, ctypes.c_int),
    "tj3Destroy": (None, ctypes.c_void_p),
    "tj3Set": (ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_int),
    "tj3Get": (ctypes.c_int, ctypes.c_void_p, ctypes.c_int),
    "tj3SetScalingFactor": (ctypes.c_int, ctypes.c_void_p, _Scale),
    "tj3DecompressHeader": (ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t),
    "tj3YUVPlaneWidth": (ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int),
    "tj3YUVPlaneHeight": (ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int),
    "tj3DecompressToYUVPlanes8": (
        *(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t),
        *(_PLANES, ctypes.c_void_p),
    ),
    "tj3JPEGBufSize": (ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int),
    "tj3CompressFromYUVPlanes8": (
        *(ctypes.c_int, ctypes.c_void_p, _PLANES, ctypes.c_int, ctypes.c_void_p, ctypes.c_int),
        *(ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_size_t)),
    ),
}
"""The type of each function's result, and those of its arguments."""

LONG = frozenset({"tj3DecompressHeader", "tj3DecompressToYUVPlanes8", "tj3CompressFromYUVPlanes8"})
"""The functions that take more than a microsecond, and that are called without the interpreter's lock.

A thread that gives the lock up for a shorter call has to wait for another one that takes it meanwhile.
"""


def _found() -> tuple[ctypes.CDLL | None, str]:
    """The library, or the reason why it is not there; what its wheel is made for is not imported."""
    spec = find_spec(WHEEL)
    if spec is None:
        return None, f"{WHEEL} is not installed; the extra `turbo` adds it"
    files = [file for folder in spec.submodule_search_locations or () for file in Path(folder).glob(EXTENSION)]
    if not files:
        return None, f"{WHEEL} has no file {EXTENSION}"
    try:
        without_lock, library = ctypes.CDLL(str(files[0])), ctypes.PyDLL(str(files[0]))
    except OSError as error:
        return None, f"{files[0].name} cannot be loaded: {error}"
    if missing := [name for name in SIGNATURES if not hasattr(library, name)]:
        return None, f"{files[0].name} has no {missing[0]}"
    for name, (given, *taken) in SIGNATURES.items():
        function = getattr(without_lock if name in LONG else library, name)
        function.restype, function.argtypes = given, taken
        setattr(library, name, function)
    return library, ""


_library, WHY_MISSING = _found()
"""WHY_MISSING: why JPEGs take the way through RGB, for a log; empty where the library is there."""

IS_HERE = _library is not None


@dataclass(frozen=True, slots=True)
class Planes:
    """Luma and two colours.  subsampling: pixels of luma across and down for each sample of colour."""

    luma: Plane
    colours: tuple[Plane, Plane]
    subsampling: Size


def decode(data: Data, size: Size, scale: Fraction) -> Planes | None:
    """The planes of a JPEG of this size at a scale of SCALES; None where the library refuses it or warns of it."""
    if _library is None:
        return None
    source = np.frombuffer(data, np.uint8)
    try:
        with _handle(_library, _Use.DECOMPRESS) as handle:
            return _decoded(_library, handle, (source.ctypes.data, source.size), size, scale)
    finally:
        # The frames of an error would keep it, and a mapping that is in use cannot be closed.
        del source


def _decoded(library: ctypes.CDLL, handle: int, source: tuple[int, int], size: Size, scale: Fraction) -> Planes | None:
    library.tj3Set(handle, _Parameter.STOP_ON_WARNING, 1)
    if library.tj3DecompressHeader(handle, *source):
        return None
    wanted = ((_Parameter.WIDTH, size[0]), (_Parameter.HEIGHT, size[1]), (_Parameter.COLOURS, YCBCR))
    subsampling = library.tj3Get(handle, _Parameter.SUBSAMPLING)
    if subsampling not in FACTORS or any(library.tj3Get(handle, name) != value for name, value in wanted):
        return None
    if library.tj3SetScalingFactor(handle, _Scale(scale.numerator, scale.denominator)):
        # At another scale the library would write beyond the buffers for this one.
        return None
    width, height = (-(-side * scale.numerator // scale.denominator) for side in size)
    luma, first, second = (_room(library, part, width, height, subsampling) for part in range(3))
    if library.tj3DecompressToYUVPlanes8(handle, *source, _addresses(luma, first, second), None):
        return None
    return Planes(luma, (first, second), FACTORS[Subsampling(subsampling)])


def filled(plane: Plane, rows: int, columns: int) -> Plane:
    """The plane, extended to at least so many rows and columns by its last ones."""
    height, width = plane.shape
    if rows <= height and columns <= width:
        return plane
    # 2 µs; np.pad takes 16.
    larger = np.empty((max(rows, height), max(columns, width)), np.uint8)
    larger[:height, :width] = plane
    larger[height:, :width] = plane[-1]
    larger[:, width:] = larger[:, width - 1 : width]
    return larger


def encode(planes: Planes, quality: int, *, is_optimized: bool) -> memoryview:
    """The planes, with one sample of each colour for four pixels, as a JPEG.

    is_optimized: the JPEG gets Huffman tables of its own.  Raises RuntimeError where the library is missing.
    """
    if _library is None:
        raise RuntimeError(WHY_MISSING)
    height, width = planes.luma.shape
    buffer = np.empty(_library.tj3JPEGBufSize(width, height, Subsampling.FOUR), np.uint8)
    address, size = ctypes.c_void_p(buffer.ctypes.data), ctypes.c_size_t(buffer.size)
    with _handle(_library, _Use.COMPRESS) as handle:
        for parameter, value in (
            (_Parameter.NO_REALLOC, 1),
            (_Parameter.QUALITY, quality),
            (_Parameter.SUBSAMPLING, Subsampling.FOUR),
            (_Parameter.OPTIMIZE, int(is_optimized)),
        ):
            _library.tj3Set(handle, parameter, value)
        # The library wants whole samples of colour, so an odd side is extended by one pixel.
        luma = filled(planes.luma, height + height % 2, width + width % 2)
        source = _addresses(luma, *planes.colours)
        if _library.tj3CompressFromYUVPlanes8(handle, source, width, None, height, address, size):
            raise RuntimeError("TurboJPEG does not encode its own planes")
    return buffer[: size.value].data


@contextmanager
def _handle(library: ctypes.CDLL, use: _Use) -> Iterator[int]:
    handle = library.tj3Init(use)
    if not handle:
        raise MemoryError
    try:
        yield handle
    finally:
        library.tj3Destroy(handle)


def _room(library: ctypes.CDLL, part: int, width: int, height: int, subsampling: int) -> Plane:
    rows = library.tj3YUVPlaneHeight(part, height, subsampling)
    return np.empty((rows, library.tj3YUVPlaneWidth(part, width, subsampling)), np.uint8)


def _addresses(*planes: Plane) -> ctypes.Array[ctypes.c_void_p]:
    return _PLANES(*(plane.ctypes.data for plane in planes))
