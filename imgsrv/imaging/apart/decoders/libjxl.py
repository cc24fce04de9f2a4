"""libjxl's decoder through ctypes: frames, durations, profile and the channel of black.

No wheel's interface offers all of that.  The wheel of imagecodecs contains the library and exports its functions, and
so does that of pylibjxl; elsewhere the system's is used.  Names and layouts are those of decode.h, codestream_header.h
and types.h, the same from version 0.9 on.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

SHIPPED = (("imagecodecs", "../imagecodecs.libs/libjxl-*.so*"), ("pylibjxl", "_pylibjxl*.so"))
"""Packages whose wheels have the library, and where, from the folder of the package."""

OLDEST = 9_000
"""0.9, as the library gives its version: 1,000,000 × major + 1,000 × minor + patch."""


class Event(IntEnum):
    """States that the decoder reports."""

    SUCCESS, ERROR, NEED_MORE_INPUT, NEED_PREVIEW_OUT_BUFFER = 0, 1, 2, 3
    NEED_IMAGE_OUT_BUFFER = 5
    BASIC_INFO, COLOURS, PREVIEW, FRAME, FULL_IMAGE = 0x40, 0x100, 0x200, 0x400, 0x1000


class Sample(IntEnum):
    """JxlDataType, as far as it is used."""

    UINT8, UINT16 = 2, 3


ALPHA, BLACK = 0, 4
"""Types of extra channels."""

OF_PIXELS = 1
"""JXL_COLOR_PROFILE_TARGET_DATA: the colours of the decoded pixels, not those of the original."""

RGB, GREY = 0, 1
D65, SRGB_PRIMARIES, SRGB_CURVE, PQ, HLG = 1, 1, 13, 16, 18
"""Values of JxlColorSpace, JxlWhitePoint, JxlPrimaries and JxlTransferFunction; those of H.273 where it has them."""


class BasicInfo(ctypes.Structure):
    """JxlBasicInfo.  width, height: upright.  ticks, per: a second has ticks / per ticks."""

    _fields_ = (
        ("is_boxed", ctypes.c_int),
        *((name, ctypes.c_uint32) for name in ("width", "height", "bits", "exponent_bits")),
        ("intensity_target", ctypes.c_float),
        ("min_nits", ctypes.c_float),
        ("is_relative", ctypes.c_int),
        ("linear_below", ctypes.c_float),
        *((name, ctypes.c_int) for name in ("is_original_profile", "has_preview", "has_animation", "orientation")),
        *((name, ctypes.c_uint32) for name in ("colours", "extras", "alpha_bits", "alpha_exponent_bits")),
        ("is_premultiplied", ctypes.c_int),
        *((name, ctypes.c_uint32) for name in ("preview_width", "preview_height", "ticks", "per", "plays")),
        ("has_timecodes", ctypes.c_int),
        ("intrinsic_width", ctypes.c_uint32),
        ("intrinsic_height", ctypes.c_uint32),
        ("padding", ctypes.c_uint8 * 100),
    )


class ExtraChannel(ctypes.Structure):
    """JxlExtraChannelInfo."""

    _fields_ = (
        ("kind", ctypes.c_int),
        *((name, ctypes.c_uint32) for name in ("bits", "exponent_bits", "shift", "name_length")),
        ("is_premultiplied", ctypes.c_int),
        ("spot_colour", ctypes.c_float * 4),
        ("cfa_channel", ctypes.c_uint32),
    )


class FrameHeader(ctypes.Structure):
    """JxlFrameHeader, of which only the beginning is used.  duration: in ticks."""

    _fields_ = (("duration", ctypes.c_uint32), ("timecode", ctypes.c_uint32), ("rest", ctypes.c_uint8 * 256))


class Encoding(ctypes.Structure):
    """JxlColorEncoding."""

    _fields_ = (
        ("space", ctypes.c_int),
        ("white", ctypes.c_int),
        ("white_xy", ctypes.c_double * 2),
        ("primaries", ctypes.c_int),
        ("primaries_xy", ctypes.c_double * 6),
        ("transfer", ctypes.c_int),
        ("gamma", ctypes.c_double),
        ("intent", ctypes.c_int),
    )


class PixelFormat(ctypes.Structure):
    """JxlPixelFormat; byte order 0 is that of the machine."""

    _fields_ = (
        ("channels", ctypes.c_uint32),
        ("sample", ctypes.c_int),
        ("byte_order", ctypes.c_int),
        ("alignment", ctypes.c_size_t),
    )


_POINTER, _INT, _SIZE = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t

SIGNATURES: dict[str, tuple[Any, ...]] = {
    "JxlDecoderVersion": (ctypes.c_uint32,),
    "JxlDecoderCreate": (_POINTER, _POINTER),
    "JxlDecoderDestroy": (None, _POINTER),
    "JxlDecoderSubscribeEvents": (_INT, _POINTER, _INT),
    "JxlDecoderSetUnpremultiplyAlpha": (_INT, _POINTER, _INT),
    "JxlDecoderSkipFrames": (None, _POINTER, _SIZE),
    "JxlDecoderSetInput": (_INT, _POINTER, ctypes.c_char_p, _SIZE),
    "JxlDecoderCloseInput": (None, _POINTER),
    "JxlDecoderProcessInput": (_INT, _POINTER),
    "JxlDecoderGetBasicInfo": (_INT, _POINTER, _POINTER),
    "JxlDecoderGetExtraChannelInfo": (_INT, _POINTER, _SIZE, _POINTER),
    "JxlDecoderGetFrameHeader": (_INT, _POINTER, _POINTER),
    "JxlDecoderGetColorAsEncodedProfile": (_INT, _POINTER, _INT, _POINTER),
    "JxlDecoderGetICCProfileSize": (_INT, _POINTER, _INT, _POINTER),
    "JxlDecoderGetColorAsICCProfile": (_INT, _POINTER, _INT, ctypes.c_char_p, _SIZE),
    "JxlDecoderImageOutBufferSize": (_INT, _POINTER, _POINTER, _POINTER),
    "JxlDecoderSetImageOutBuffer": (_INT, _POINTER, _POINTER, _POINTER, _SIZE),
    "JxlDecoderExtraChannelBufferSize": (_INT, _POINTER, _POINTER, _POINTER, ctypes.c_uint32),
    "JxlDecoderSetExtraChannelBuffer": (_INT, _POINTER, _POINTER, _POINTER, _SIZE, ctypes.c_uint32),
}


@cache
def library() -> ctypes.CDLL | None:
    """Return the library with the types of its functions; None where no shared one is found."""
    for name in _candidates():
        try:
            found = ctypes.CDLL(name)
            for function, (result, *arguments) in SIGNATURES.items():
                getattr(found, function).restype, getattr(found, function).argtypes = result, arguments
        except (OSError, AttributeError):
            continue
        if found.JxlDecoderVersion() >= OLDEST:
            return found
    return None


def _candidates() -> Iterator[str]:
    for package, pattern in SHIPPED:
        spec = find_spec(package)
        for folder in spec.submodule_search_locations or [] if spec else []:
            yield from map(str, sorted(Path(folder).glob(pattern)))
    # To look for the system's takes other programs, and is not done where it is not needed.
    if system := ctypes.util.find_library("jxl"):
        yield system


class JxlDecoder:
    """A decoder at work on a file; each method raises ValueError where the library refuses."""

    def __init__(self, jxl: ctypes.CDLL, handle: int) -> None:
        self._jxl, self._handle = jxl, handle

    def next(self) -> int:
        """Go on to what comes next."""
        event = int(self._jxl.JxlDecoderProcessInput(self._handle))
        if event == Event.ERROR:
            raise ValueError("it is broken")
        if event == Event.NEED_MORE_INPUT:
            raise ValueError("it is truncated")
        return event

    def skip(self, frames: int) -> None:
        """Leave out that many frames."""
        self._jxl.JxlDecoderSkipFrames(self._handle, frames)

    def basic_info(self) -> BasicInfo:
        """The facts in the header, once it has been read."""
        info = BasicInfo()
        self._check(self._jxl.JxlDecoderGetBasicInfo(self._handle, ctypes.byref(info)))
        return info

    def extra_kinds(self, count: int) -> list[int]:
        """The kinds of the extra channels."""
        info, kinds = ExtraChannel(), []
        for index in range(count):
            self._check(self._jxl.JxlDecoderGetExtraChannelInfo(self._handle, index, ctypes.byref(info)))
            kinds.append(int(info.kind))
        return kinds

    def duration(self) -> int:
        """How long the frame stands, in ticks."""
        header = FrameHeader()
        self._check(self._jxl.JxlDecoderGetFrameHeader(self._handle, ctypes.byref(header)))
        return int(header.duration)

    def encoding(self) -> Encoding | None:
        """The colours of the pixels by numbers; None where they are not to be had so."""
        found = Encoding()
        status = self._jxl.JxlDecoderGetColorAsEncodedProfile(self._handle, OF_PIXELS, ctypes.byref(found))
        return found if status == Event.SUCCESS else None

    def profile(self, most: int) -> bytes:
        """The ICC profile of the pixels; none for one of more than `most` bytes."""
        size = _SIZE()
        if self._jxl.JxlDecoderGetICCProfileSize(self._handle, OF_PIXELS, ctypes.byref(size)) or size.value > most:
            return b""
        found = ctypes.create_string_buffer(size.value)
        self._check(self._jxl.JxlDecoderGetColorAsICCProfile(self._handle, OF_PIXELS, found, size.value))
        return found.raw

    def decode_into(self, pixels: memoryview, layout: PixelFormat) -> None:
        """Let the frame be decoded there, which must be writable and of the size that the layout needs."""
        size = _SIZE()
        self._check(self._jxl.JxlDecoderImageOutBufferSize(self._handle, ctypes.byref(layout), ctypes.byref(size)))
        if size.value != len(pixels):
            raise ValueError("its pixels are of another size than its header says")
        self._check(
            self._jxl.JxlDecoderSetImageOutBuffer(self._handle, ctypes.byref(layout), _address(pixels), size.value)
        )

    def decode_extra_into(self, pixels: memoryview, layout: PixelFormat, index: int) -> None:
        """Let an extra channel be decoded there."""
        size, channel = _SIZE(), ctypes.c_uint32(index)
        arguments = self._handle, ctypes.byref(layout)
        self._check(self._jxl.JxlDecoderExtraChannelBufferSize(*arguments, ctypes.byref(size), channel))
        if size.value != len(pixels):
            raise ValueError("its pixels are of another size than its header says")
        self._check(self._jxl.JxlDecoderSetExtraChannelBuffer(*arguments, _address(pixels), size.value, channel))

    def _check(self, status: int) -> None:
        if status != Event.SUCCESS:
            raise ValueError("it is broken")


def _address(pixels: memoryview) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(pixels))


@contextmanager
def opened(data: bytes, events: int) -> Iterator[JxlDecoder]:
    """A decoder of a file that reports the events.  Pixels are upright, and alpha is straight."""
    jxl = library()
    if jxl is None:
        raise ValueError("there is no shared library of libjxl")
    handle = jxl.JxlDecoderCreate(None)
    if not handle:
        raise MemoryError
    try:
        jxl.JxlDecoderSubscribeEvents(handle, events)
        jxl.JxlDecoderSetUnpremultiplyAlpha(handle, 1)
        jxl.JxlDecoderSetInput(handle, data, len(data))
        jxl.JxlDecoderCloseInput(handle)
        yield JxlDecoder(jxl, handle)
    finally:
        jxl.JxlDecoderDestroy(handle)
