"""The decoder of `native/`, built from its source and called as a library, and what libjpeg-turbo makes of a JPEG."""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from imgsrv.imaging.codecs import turbojpeg
from imgsrv.imaging.codecs.native.interface import TRAILING_ALLOWED, Buffers, Info, Limits
from imgsrv.imaging.pixels.resample import Plane

ROOT = Path(__file__).parents[3]
NATIVE = ROOT / "native"


@cache
def library() -> ctypes.CDLL:
    """The library, built by the wheel `ziglang` where no build of this source is there.  Skips a test without it."""
    if find_spec("ziglang") is None:
        pytest.skip("the wheel ziglang, which builds native/, is not installed")
    sources = sorted((NATIVE / "src").glob("*.zig"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    target = ROOT / "build" / "native" / f"imgsrv_jpeg-{digest}.so"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        made = target.with_suffix(f".{os.getpid()}")
        options = ("-dynamic", "-O", "ReleaseSafe", "-fstrip", "--name", "imgsrv_jpeg", f"-femit-bin={made}")
        command = (sys.executable, "-m", "ziglang", "build-lib", *options, str(NATIVE / "src" / "root.zig"))
        subprocess.run(command, check=True, cwd=target.parent)
        made.replace(target)
    found = ctypes.CDLL(str(target))
    found.imgsrv_jpeg_reason.restype = ctypes.c_char_p
    found.imgsrv_jpeg_reason.argtypes = (ctypes.c_int32,)
    return found


def reason(number: int) -> str:
    """The name of a reason."""
    name: bytes = library().imgsrv_jpeg_reason(number)
    return name.decode()


@dataclass(frozen=True)
class Decoded:
    """Planes of a JPEG, or why there are none.  factors: pixels across and down for each sample of colour."""

    reason: str
    planes: tuple[Plane, ...] = ()
    size: tuple[int, int] = (0, 0)
    factors: tuple[int, int] = (1, 1)


def read_header(data: bytes, eighths: int, *, flags: int = 0, max_scans: int = 0) -> tuple[str, Info]:
    """The reason of a refusal, or `done`, and what the header says."""
    info, limits = Info(), Limits(0, max_scans, flags)
    given = library().imgsrv_jpeg_header(
        data, ctypes.c_size_t(len(data)), ctypes.c_uint32(eighths), ctypes.byref(limits), ctypes.byref(info)
    )
    return reason(given), info


def decode(data: bytes, eighths: int, *, flags: int = 0, max_scans: int = 0) -> Decoded:
    """What the decoder makes of a JPEG."""
    name, info = read_header(data, eighths, flags=flags, max_scans=max_scans)
    if name != "done":
        return Decoded(name)
    planes = tuple(
        np.full((info.plane_height[part], info.plane_width[part]), 77, np.uint8) for part in range(info.components)
    )
    given, room = Buffers(), np.empty(info.room, np.uint8)
    for part, plane in enumerate(planes):
        given.data[part], given.stride[part] = plane.ctypes.data, plane.shape[1]
        given.height[part], given.width[part] = plane.shape
    limits = Limits(0, max_scans, flags)
    number = library().imgsrv_jpeg_decode(
        *(data, ctypes.c_size_t(len(data)), ctypes.c_uint32(eighths), ctypes.byref(limits)),
        *(ctypes.byref(given), ctypes.c_void_p(room.ctypes.data), ctypes.c_size_t(room.size)),
    )
    if number:
        return Decoded(reason(number))
    return Decoded("done", planes, (info.width, info.height), (info.across, info.down))


def reference(data: bytes, eighths: int, *, stops: bool = True) -> tuple[Plane, ...] | None:
    """The planes of libjpeg-turbo, luma alone where grey; None where it refuses the JPEG or, with `stops`, warns."""
    library = turbojpeg._library
    if library is None:
        pytest.skip(turbojpeg.WHY_MISSING)
    source, scale = np.frombuffer(data, np.uint8), Fraction(eighths, 8)
    with turbojpeg._handle(library, turbojpeg._Use.DECOMPRESS) as handle:
        library.tj3Set(handle, turbojpeg._Parameter.STOP_ON_WARNING, stops)
        if _fails(library, handle, library.tj3DecompressHeader(handle, source.ctypes.data, source.size), stops=stops):
            return None
        kind, width, height = (
            library.tj3Get(handle, name)
            for name in (
                turbojpeg._Parameter.SUBSAMPLING,
                turbojpeg._Parameter.WIDTH,
                turbojpeg._Parameter.HEIGHT,
            )
        )
        if kind not in {0, 1, 2, 3, 4}:
            return None
        assert not library.tj3SetScalingFactor(handle, turbojpeg._Scale(scale.numerator, scale.denominator))
        width, height = (-(-side * eighths // 8) for side in (width, height))
        planes = tuple(turbojpeg._room(library, part, width, height, kind) for part in range(1 if kind == 3 else 3))
        addresses = (ctypes.c_void_p * 3)(*(plane.ctypes.data for plane in planes))
        given = library.tj3DecompressToYUVPlanes8(handle, source.ctypes.data, source.size, addresses, None)
        if _fails(library, handle, given, stops=stops):
            return None
    return planes


def _fails(library: ctypes.CDLL, handle: int, given: int, *, stops: bool) -> bool:
    """Whether a call fails.  Where it does not stop, one that only warns does not."""
    return bool(given) and (stops or library.tj3GetErrorCode(ctypes.c_void_p(handle)) != 0)


def coded(found: Decoded, eighths: int) -> list[tuple[slice, slice]]:
    """The part of each plane that comes from blocks; what libjpeg-turbo writes beyond it is anything."""
    parts = []
    for part, plane in enumerate(found.planes):
        across, down = (1, 1) if part == 0 else found.factors
        columns, rows = -(-found.size[0] // (8 * across)), -(-found.size[1] // (8 * down))
        parts.append((slice(min(plane.shape[0], rows * eighths)), slice(min(plane.shape[1], columns * eighths))))
    return parts


MOST_OFF = {1: 0, 3: 1}
"""Levels between a plane and that of libjpeg-turbo, by eighths, where both compute the same."""


@dataclass
class Verdict:
    """What became of a JPEG of any bytes.

    fault: what is wrong with the decoder, empty where nothing is.  is_partly_read: libjpeg-turbo warns of a scan of a
    progressive JPEG that a small size does not need.
    """

    reasons: dict[int, str]
    fault: str = ""
    is_read_by_both: bool = False
    is_partly_read: bool = False


def judge(data: bytes) -> Verdict:
    """Compare with libjpeg-turbo: it warns of nothing that the decoder takes, and gives the same samples."""
    found = {eighths: decode(data, eighths, flags=TRAILING_ALLOWED) for eighths in (1, 2, 3, 4)}
    verdict = Verdict({eighths: each.reason for eighths, each in found.items()})
    if "fault" in verdict.reasons.values():
        verdict.fault = "a check inside the decoder fired"
        return verdict
    if "done" not in verdict.reasons.values():
        return verdict
    verdict.is_read_by_both = reference(data, 1) is not None
    verdict.is_partly_read = not verdict.is_read_by_both and verdict.reasons[4] != "done"
    if not verdict.is_read_by_both and not verdict.is_partly_read:
        verdict.fault = f"{verdict.reasons} is taken, and libjpeg-turbo warns of it"
        return verdict
    for eighths, most in MOST_OFF.items():
        if found[eighths].reason == "done" and not verdict.fault:
            verdict.fault = _difference(data, found[eighths], eighths, most, stops=verdict.is_read_by_both)
    return verdict


def _difference(data: bytes, found: Decoded, eighths: int, most: int, *, stops: bool) -> str:
    """How the planes differ from those of libjpeg-turbo, or nothing."""
    expected = reference(data, eighths, stops=stops)
    if expected is None:
        return f"at {eighths}/8 it is taken, and libjpeg-turbo refuses it"
    for ours, theirs, part in zip(found.planes, expected, coded(found, eighths), strict=True):
        off = int(np.abs(ours[part].astype(int) - theirs[part]).max())
        if ours.shape != theirs.shape or off > most:
            return f"at {eighths}/8 a plane of {theirs.shape} is {off} levels off"
    return ""
