"""`native/imgsrv_jpeg.h` for ctypes: its structures, flags and functions."""

from __future__ import annotations

import ctypes

ABI = 1
"""The version of the interface that this module speaks."""

TRAILING_ALLOWED = 1
"""Flag of the limits: bytes behind the picture are no reason to refuse, as libjpeg-turbo ignores them too."""


class Limits(ctypes.Structure):
    """imgsrv_jpeg_limits."""

    _fields_ = (("max_pixels", ctypes.c_uint64), ("max_scans", ctypes.c_uint32), ("flags", ctypes.c_uint32))


class Info(ctypes.Structure):
    """imgsrv_jpeg_info."""

    _fields_ = (
        *((name, ctypes.c_uint32) for name in ("width", "height", "components", "across", "down")),
        *((name, ctypes.c_uint32) for name in ("is_progressive", "restart_interval", "reserved")),
        ("plane_width", ctypes.c_uint32 * 3),
        ("plane_height", ctypes.c_uint32 * 3),
        ("room", ctypes.c_uint64),
    )


class Buffers(ctypes.Structure):
    """imgsrv_jpeg_planes."""

    _fields_ = (
        ("data", ctypes.c_void_p * 3),
        ("stride", ctypes.c_size_t * 3),
        ("width", ctypes.c_uint32 * 3),
        ("height", ctypes.c_uint32 * 3),
    )


_SOURCE = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint32, ctypes.POINTER(Limits))

SIGNATURES = {
    "imgsrv_jpeg_abi": (ctypes.c_uint32,),
    "imgsrv_jpeg_reason": (ctypes.c_char_p, ctypes.c_int32),
    "imgsrv_jpeg_header": (ctypes.c_int32, *_SOURCE, ctypes.POINTER(Info)),
    "imgsrv_jpeg_decode": (ctypes.c_int32, *_SOURCE, ctypes.POINTER(Buffers), ctypes.c_void_p, ctypes.c_size_t),
}
"""The type of each function's result, and those of its arguments."""
