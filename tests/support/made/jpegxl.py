"""JPEG XL files made of numbers by libjxl's encoder, without loss: any channels, animations and profiles."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from imgsrv.imaging.apart.decoders.libjxl import (
    ALPHA,
    BLACK,
    BasicInfo,
    ExtraChannel,
    FrameHeader,
    PixelFormat,
    library,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

FLOAT = 0
"""JxlDataType of 32 bits of float."""

SAMPLES = {np.dtype(np.uint8): (2, 8), np.dtype(np.uint16): (3, 16), np.dtype(np.float32): (FLOAT, 32)}

NEEDS_MORE_OUTPUT = 2


def jpegxl(
    frames: Sequence[NDArray[Any]],
    *,
    bits: int = 0,
    has_alpha: bool = False,
    is_premultiplied: bool = False,
    profile: bytes = b"",
    is_linear: bool = False,
    durations: Sequence[int] = (),
    ticks: tuple[int, int] = (1000, 1),
    plays: int = 0,
    orientation: int = 1,
) -> bytes:
    """A file of frames, each (H, W, channels).  bits: of a sample, where they are fewer than its type has.

    profile: of CMYK makes the last channel black.  durations: in ticks, of which ticks[0] / ticks[1] make a second.
    """
    jxl = library()
    if jxl is None:
        pytest.skip("no shared library of libjxl is installed")
    for name in ("JxlEncoderCreate", "JxlEncoderFrameSettingsCreate"):
        getattr(jxl, name).restype = ctypes.c_void_p
    first = frames[0].reshape(*frames[0].shape[:2], -1)
    kind, type_bits = SAMPLES[first.dtype]
    has_black = profile[16:20] == b"CMYK"
    colours = first.shape[2] - has_alpha - has_black
    encoder = ctypes.c_void_p(jxl.JxlEncoderCreate(None))

    info = BasicInfo()
    jxl.JxlEncoderInitBasicInfo(ctypes.byref(info))
    info.width, info.height, info.colours, info.extras = first.shape[1], first.shape[0], colours, has_alpha + has_black
    info.bits, info.exponent_bits = bits or type_bits, 8 if kind == FLOAT else 0
    info.is_original_profile, info.orientation = 1, orientation
    if has_alpha:
        info.alpha_bits, info.alpha_exponent_bits = info.bits, info.exponent_bits
        info.is_premultiplied = is_premultiplied
    if durations:
        info.has_animation, (info.ticks, info.per), info.plays = 1, ticks, plays
    _check(jxl, encoder, jxl.JxlEncoderSetBasicInfo(encoder, ctypes.byref(info)))
    if profile:
        _check(jxl, encoder, jxl.JxlEncoderSetICCProfile(encoder, profile, ctypes.c_size_t(len(profile))))
    else:
        colour = ctypes.create_string_buffer(256)
        make = jxl.JxlColorEncodingSetToLinearSRGB if is_linear else jxl.JxlColorEncodingSetToSRGB
        make(colour, int(colours == 1))
        _check(jxl, encoder, jxl.JxlEncoderSetColorEncoding(encoder, colour))
    extras = [ALPHA] * has_alpha + [BLACK] * has_black
    for index, each in enumerate(extras):
        extra = ExtraChannel()
        jxl.JxlEncoderInitExtraChannelInfo(each, ctypes.byref(extra))
        extra.bits, extra.exponent_bits, extra.is_premultiplied = info.bits, info.exponent_bits, is_premultiplied
        _check(jxl, encoder, jxl.JxlEncoderSetExtraChannelInfo(encoder, ctypes.c_size_t(index), ctypes.byref(extra)))
    for number, frame in enumerate(frames):
        duration = durations[number] if durations else None
        _add(jxl, encoder, frame.reshape(first.shape), (colours + has_alpha, kind, bits), duration)
    jxl.JxlEncoderCloseInput(encoder)
    data = _output(jxl, encoder)
    jxl.JxlEncoderDestroy(encoder)
    return data


def _add(jxl: Any, encoder: Any, frame: NDArray[Any], layout: tuple[int, int, int], duration: int | None) -> None:
    """Add a frame.  layout: channels without black, JxlDataType, bits of a sample or 0 for all."""
    channels, kind, bits = layout
    settings = ctypes.c_void_p(jxl.JxlEncoderFrameSettingsCreate(encoder, None))
    _check(jxl, encoder, jxl.JxlEncoderSetFrameLossless(settings, 1))
    if bits:
        # JXL_BIT_DEPTH_FROM_CODESTREAM: samples are numbers of so many bits.
        depth = ctypes.create_string_buffer(struct.pack("iII", 1, 0, 0))
        _check(jxl, encoder, jxl.JxlEncoderSetFrameBitDepth(settings, depth))
    if duration is not None:
        header = FrameHeader()
        jxl.JxlEncoderInitFrameHeader(ctypes.byref(header))
        header.duration = duration
        _check(jxl, encoder, jxl.JxlEncoderSetFrameHeader(settings, ctypes.byref(header)))
    pixels = np.ascontiguousarray(frame[..., :channels]).tobytes()
    form = PixelFormat(channels, kind, 0, 0)
    size = ctypes.c_size_t(len(pixels))
    _check(jxl, encoder, jxl.JxlEncoderAddImageFrame(settings, ctypes.byref(form), pixels, size))
    for index in range(channels, frame.shape[2]):
        plane = np.ascontiguousarray(frame[..., index]).tobytes()
        form = PixelFormat(1, kind, 0, 0)
        # Its number among the extra channels; there are three colours.
        arguments = plane, ctypes.c_size_t(len(plane)), ctypes.c_uint32(index - 3)
        _check(jxl, encoder, jxl.JxlEncoderSetExtraChannelBuffer(settings, ctypes.byref(form), *arguments))


def _output(jxl: Any, encoder: Any) -> bytes:
    made = b""
    while True:
        part = ctypes.create_string_buffer(1 << 16)
        at, left = ctypes.c_void_p(ctypes.addressof(part)), ctypes.c_size_t(len(part))
        status = jxl.JxlEncoderProcessOutput(encoder, ctypes.byref(at), ctypes.byref(left))
        made += part.raw[: len(part) - left.value]
        if status != NEEDS_MORE_OUTPUT:
            _check(jxl, encoder, status)
            return made


def _check(jxl: Any, encoder: Any, status: int) -> None:
    assert status == 0, f"libjxl's encoder fails with {jxl.JxlEncoderGetError(encoder)}"


def cmyk_profile() -> bytes:
    """A profile whose CMYK is (1 − ink) × (1 − black) in sRGB at the corners, and linear in CIELAB between them."""
    corners = [
        tuple(round(255 * (1 - ink) * (1 - black)) for ink in (cyan, magenta, yellow))
        for cyan in (0, 1)
        for magenta in (0, 1)
        for yellow in (0, 1)
        for black in (0, 1)
    ]
    image = Image.new("RGB", (16, 1))
    image.putdata(corners)
    lab = ImageCms.profileToProfile(
        image, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert lab is not None
    # Signed a and b of Pillow begin at 0, and those of a profile at 128.
    nodes = (np.frombuffer(lab.tobytes(), np.uint8).reshape(-1, 3) ^ np.array((0, 128, 128), np.uint8)).tobytes()
    line = bytes(range(256))
    identity = struct.pack(">9i", *(65536 * (row == column) for row in range(3) for column in range(3)))
    table = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + identity + 4 * line + nodes + 3 * line
    text = b"text\0\0\0\0made by a test\0"
    name = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(4 + 4 + 2 + 1 + 67)
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    tags, body = [], b""
    for kind, data in ((b"desc", name), (b"cprt", text), (b"wtpt", white), (b"A2B0", table)):
        tags.append(struct.pack(">4sII", kind, 128 + 4 + 4 * 12 + len(body), len(data)))
        body += data + bytes(-len(data) % 4)
    size = 128 + 4 + 4 * 12 + len(body)
    head = struct.pack(">I4xI4s4s4s12x4s", size, 0x02400000, b"prtr", b"CMYK", b"Lab ", b"acsp") + bytes(24)
    head += bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + struct.pack(">I", 4) + b"".join(tags) + body
