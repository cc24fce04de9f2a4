"""imgsrv's own JPEG decoder through ctypes: the planes of a JPEG at half its size or less.

It reads only what that size needs; `native/` has its source, and `native/imgsrv_jpeg.h` its interface.  It refuses
whatever is in doubt with a reason, and then libjpeg-turbo decodes the picture.  Where the library is missing, or does
not decode the pictures of `trial.py` as libjpeg-turbo does, it is not used at all.
"""

from __future__ import annotations

import ctypes
from fractions import Fraction
from pathlib import Path

import numpy as np

from imgsrv.imaging.codecs.native.interface import ABI, SIGNATURES, TRAILING_ALLOWED, Buffers, Info, Limits
from imgsrv.imaging.codecs.native.trial import TRIALS, Trial
from imgsrv.imaging.codecs.turbojpeg import Planes
from imgsrv.imaging.model.limits import Data, Size

LARGEST = Fraction(1, 2)
"""The largest scale; all scales are whole eighths."""

FOLDER, PREFIX = Path(__file__).parent, "imgsrv_jpeg-"
"""Where the libraries are, and how their names begin; the processor follows."""

PROCESSORS: dict[str, frozenset[str]] = {
    "x86_64_v3": frozenset({"abm", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"}),
    "x86_64_v2": frozenset({"cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"}),
    "generic": frozenset(),
}
"""The flags of /proc/cpuinfo that the library for each processor needs, the best one first."""

YCBCR = 3
"""Components of a picture with colours."""


def decode(data: Data, size: Size, scale: Fraction) -> Planes | str:
    """The planes of a JPEG of this size at a scale of whole eighths, LARGEST or less; or why it is refused.

    Raises RuntimeError where the library is missing.
    """
    if _library is None:
        raise RuntimeError(WHY_MISSING)
    return _decoded(_library, data, size, int(scale * 8))


def _decoded(library: ctypes.CDLL, data: Data, size: Size, eighths: int) -> Planes | str:
    source = np.frombuffer(data, np.uint8)
    limits, info = Limits(size[0] * size[1], 0, TRAILING_ALLOWED), Info()
    given = source.ctypes.data, source.size, eighths, ctypes.byref(limits)
    try:
        if refused := library.imgsrv_jpeg_header(*given, ctypes.byref(info)):
            return _reason(library, refused)
        if (info.width, info.height) != size or info.components != YCBCR:
            return "header"
        luma, *colours = (np.empty(shape, np.uint8) for shape in zip(info.plane_height, info.plane_width, strict=True))
        room = np.empty(info.room, np.uint8)
        planes = Buffers()
        for part, plane in enumerate((luma, *colours)):
            planes.data[part], planes.stride[part] = plane.ctypes.data, plane.shape[1]
            planes.height[part], planes.width[part] = plane.shape
        if refused := library.imgsrv_jpeg_decode(*given, ctypes.byref(planes), room.ctypes.data, room.size):
            return _reason(library, refused)
        return Planes(luma, (colours[0], colours[1]), (info.across, info.down))
    finally:
        # The frames of an error would keep it, and a mapping that is in use cannot be closed.
        del source


def _reason(library: ctypes.CDLL, number: int) -> str:
    return bytes(library.imgsrv_jpeg_reason(number)).decode()


class _Unfit(Exception):
    """The library is not there or is not to be used; the text is the reason."""


def _found() -> tuple[ctypes.CDLL | None, str, str]:
    """The library and the processor that it is made for, or the reason why there is none."""
    try:
        processor, file = _file()
        return _loaded(file), processor, ""
    except _Unfit as error:
        return None, "", str(error)


def _file() -> tuple[str, Path]:
    """The best library for this processor, and what it is made for.  Raises _Unfit."""
    files = {file.stem.removeprefix(PREFIX): file for file in FOLDER.glob(f"{PREFIX}*.so")}
    if not files:
        raise _Unfit("imgsrv was installed without it; pip install --verbose says why")
    flags = _flags()
    for name, needed in PROCESSORS.items():
        if name in files and needed <= flags:
            return name, files[name]
    raise _Unfit(f"this processor is none of those that it is made for: {', '.join(sorted(files))}")


def _loaded(file: Path) -> ctypes.CDLL:
    """The library of the file.  Raises _Unfit."""
    try:
        # Loaded in this way, its functions are called without the interpreter's lock.
        library = ctypes.CDLL(str(file))
    except OSError as error:
        raise _Unfit(f"{file.name} cannot be loaded: {error}") from error
    if missing := [name for name in SIGNATURES if not hasattr(library, name)]:
        raise _Unfit(f"{file.name} has no {missing[0]}")
    for name, (given, *taken) in SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = given, taken
    if (version := library.imgsrv_jpeg_abi()) != ABI:
        raise _Unfit(f"{file.name} has version {version} of the interface; this imgsrv needs {ABI}")
    for name, trial in TRIALS.items():
        if fault := _fault(library, trial):
            raise _Unfit(f"{file.name} fails its self-test: the {name} picture is {fault}")
    return library


def _flags() -> frozenset[str]:
    """What the processor can do, by the names of Linux; nothing where that cannot be known."""
    try:
        with Path("/proc/cpuinfo").open() as file:
            line = next((line for line in file if line.startswith("flags")), "")
    except OSError:
        line = ""
    return frozenset(line.split())


def _fault(library: ctypes.CDLL, trial: Trial) -> str:
    """What is wrong with the library's planes of a picture of the self-test; empty for nothing."""
    for eighths, expected in trial.planes.items():
        found = _decoded(library, trial.data, trial.size, eighths)
        if isinstance(found, str):
            return f"refused at {eighths}/8 as {found}"
        levels = np.concatenate([plane.ravel() for plane in (found.luma, *found.colours)]).astype(int)
        wanted = np.frombuffer(expected, np.uint8)
        if levels.size != wanted.size or np.abs(levels - wanted).max() > 1:
            return f"decoded wrongly at {eighths}/8"
    return ""


_library, PROCESSOR, WHY_MISSING = _found()
"""PROCESSOR: what the library is made for.  WHY_MISSING: why libjpeg-turbo decodes all JPEGs; empty if it does not."""

IS_HERE = _library is not None
