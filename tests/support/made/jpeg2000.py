"""JPEG 2000 files made of numbers: components of any depth, sign and subsampling, and the boxes around them.

OpenJPEG encodes without loss, through ctypes: no wheel's encoder takes subsampled components.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from imgsrv.imaging.apart.decoders.openjpeg import READ, SEEK, SKIP, _Image, library

if TYPE_CHECKING:
    from numpy.typing import NDArray

PARAMETERS_BYTES = 1 << 15
TILES, TILE_WIDTH, RESOLUTIONS, IRREVERSIBLE = 0, 12, 5600, 5616
"""Where fields of opj_cparameters_t stand."""

DEFAULT_RESOLUTIONS = 6

SIGNATURE = b"\x00\x00\x00\x0cjP  \r\n\x87\n"


@dataclass(frozen=True)
class Plane:
    """A component.  samples: (H, W)."""

    samples: NDArray[Any]
    bits: int = 8
    is_signed: bool = False
    dx: int = 1
    dy: int = 1

    def shown(self, size: tuple[int, int], offset: tuple[int, int] = (0, 0)) -> NDArray[np.float64]:
        """The samples at the size of the picture, 0 to 255: each repeated up to the next multiple of dx and dy."""
        rows, columns = (
            np.clip((np.arange(side) + start) // step - -(-start // step), 0, count - 1)
            for side, start, step, count in zip(
                size[::-1], offset[::-1], (self.dy, self.dx), self.samples.shape, strict=True
            )
        )
        lowest = -(1 << (self.bits - 1)) if self.is_signed else 0
        return (self.samples[rows][:, columns].astype(float) - lowest) * 255 / ((1 << self.bits) - 1)


def noise_plane(
    size: tuple[int, int], bits: int = 8, *, is_signed: bool = False, step: tuple[int, int] = (1, 1),
    offset: tuple[int, int] = (0, 0), seed: int = 0,
) -> Plane:  # fmt: skip
    """A component of noise for a picture of that size."""
    width, height = (
        -(-(start + side) // each) - -(-start // each) for side, start, each in zip(size, offset, step, strict=True)
    )
    lowest = -(1 << (bits - 1)) if is_signed else 0
    samples = np.random.default_rng(seed).integers(lowest, lowest + (1 << bits), (height, width))
    return Plane(samples, bits, is_signed, *step)


def codestream(
    planes: Sequence[Plane],
    size: tuple[int, int],
    offset: tuple[int, int] = (0, 0),
    tile: int = 0,
    resolutions: int = 1,
    *,
    is_lossy: bool = False,
) -> bytes:
    """A codestream of the components.  tile: side of a tile, 0 for one tile.  resolutions: scales that it has."""
    opj = library()
    if opj is None:
        pytest.skip("no shared library of OpenJPEG is installed")
    opj.opj_image_create.restype = ctypes.POINTER(_Image)
    for name in ("opj_create_compress", "opj_stream_create"):
        getattr(opj, name).restype = ctypes.c_void_p
    kinds: Any = (ctypes.c_uint32 * (9 * len(planes)))()
    for index, plane in enumerate(planes):
        height, width = plane.samples.shape
        left, top = -(-offset[0] // plane.dx), -(-offset[1] // plane.dy)
        fields = (plane.dx, plane.dy, width, height, left, top, plane.bits, plane.bits, plane.is_signed)
        kinds[9 * index : 9 * index + 9] = fields
    image = opj.opj_image_create(len(planes), kinds, 0)
    made = image.contents
    made.left, made.top, made.right, made.bottom = *offset, offset[0] + size[0], offset[1] + size[1]
    for index, plane in enumerate(planes):
        np.ctypeslib.as_array(made.components[index].data, plane.samples.shape)[:] = plane.samples
    parameters = ctypes.create_string_buffer(PARAMETERS_BYTES)
    opj.opj_set_default_encoder_parameters(parameters)
    assert struct.unpack_from("i", parameters, RESOLUTIONS)[0] == DEFAULT_RESOLUTIONS
    struct.pack_into("i", parameters, RESOLUTIONS, resolutions)
    struct.pack_into("i", parameters, IRREVERSIBLE, is_lossy)
    if tile:
        struct.pack_into("i", parameters, TILES, 1)
        struct.pack_into("ii", parameters, TILE_WIDTH, tile, tile)
    return _written(opj, image, parameters)


def _written(opj: Any, image: Any, parameters: Any) -> bytes:
    out, at = bytearray(), [0]

    def write(data: int, count: int, _user: int) -> int:
        out[at[0] : at[0] + count] = ctypes.string_at(data, count)
        at[0] += count
        return count

    def skip(count: int, _user: int) -> int:
        at[0] += count
        return count

    def seek(to: int, _user: int) -> int:
        at[0] = to
        return 1

    callbacks = READ(write), SKIP(skip), SEEK(seek)
    codec, stream = (
        ctypes.c_void_p(opj.opj_create_compress(0)),
        ctypes.c_void_p(opj.opj_stream_create(1 << 16, 0)),
    )
    for name, callback in zip(("write", "skip", "seek"), callbacks, strict=True):
        function = getattr(opj, f"opj_stream_set_{name}_function")
        function.argtypes = (ctypes.c_void_p, type(callback))
        function(stream, callback)
    assert opj.opj_setup_encoder(codec, parameters, image)
    assert opj.opj_start_compress(codec, image, stream)
    assert opj.opj_encode(codec, stream)
    assert opj.opj_end_compress(codec, stream)
    opj.opj_destroy_codec(codec)
    opj.opj_stream_destroy(stream)
    opj.opj_image_destroy(image)
    return bytes(out)


def box(kind: bytes, *parts: bytes) -> bytes:
    """A box."""
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def enumerated(number: int, *more: int) -> bytes:
    """The colour specification of an enumerated colour space.  more: its parameters."""
    return box(b"colr", struct.pack(f">BBBI{len(more)}I", 1, 0, 0, number, *more))


def profiled(profile: bytes, method: int = 2) -> bytes:
    """The colour specification of a profile."""
    return box(b"colr", bytes((method, 0, 0)), profile)


def defined(*channels: tuple[int, int, int]) -> bytes:
    """The definition of channels: number, type (0 colour, 1 opacity, 2 premultiplied) and what it belongs to."""
    return box(b"cdef", struct.pack(">H", len(channels)), *(struct.pack(">HHH", *each) for each in channels))


def palette(columns: Sequence[Sequence[int]], bits: int = 8) -> bytes:
    """A palette by its columns."""
    wide = -(-bits // 8)
    entries = b"".join(value.to_bytes(wide, "big") for entry in zip(*columns, strict=True) for value in entry)
    return box(b"pclr", struct.pack(">HB", len(columns[0]), len(columns)), bytes([bits - 1] * len(columns)), entries)


def mapped(*channels: tuple[int, int, int]) -> bytes:
    """The mapping of channels: component, 1 for the palette, column."""
    return box(b"cmap", *(struct.pack(">HBB", *each) for each in channels))


def jp2(stream: bytes, *boxes: bytes) -> bytes:
    """A file of a codestream and the boxes of its header."""
    right, bottom, left, top = struct.unpack_from(">4I", stream, 8)
    (count,) = struct.unpack_from(">H", stream, 40)
    header = box(b"ihdr", struct.pack(">IIHBBBB", bottom - top, right - left, count, stream[42], 7, 0, 0))
    kind = box(b"ftyp", b"jp2 ", bytes(4), b"jp2 ")
    return SIGNATURE + kind + box(b"jp2h", header, *boxes) + box(b"jp2c", stream)
