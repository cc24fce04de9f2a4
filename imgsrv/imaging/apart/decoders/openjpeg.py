"""OpenJPEG through ctypes: a JPEG 2000 codestream as its own components, before colours and palettes are applied.

No wheel offers that as an interface, and subsampled components and smaller scales are not to be had otherwise.
Pillow's wheels contain the library and export its functions; a Pillow of a Linux distribution uses the system's.  Names
and layouts are those of openjpeg.h, the same in every version 2.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import itertools
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHIPPED = ("../pillow.libs/libopenjp2*.so*", "../imagecodecs.libs/libopenjp2*.so*", ".dylibs/libopenjp2*.dylib")
"""Where wheels of Pillow and imagecodecs have the library, from Pillow's folder."""

CODESTREAM, IS_INPUT = 0, 1
"""OPJ_CODEC_J2K, and the direction of a stream that is read."""

BUFFER_BYTES = 1 << 20

PARAMETERS_BYTES = 1 << 15
"""More than opj_dparameters_t has, whose first field, of 32 bits, is the number of resolutions that are left out."""

AT_END = ctypes.c_size_t(-1).value

LONGEST_REASON = 200

READ = ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
SKIP = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)
SEEK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int64, ctypes.c_void_p)
MESSAGE = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_void_p)


class _Component(ctypes.Structure):
    """opj_image_comp_t."""

    _fields_ = (
        *((name, ctypes.c_uint32) for name in ("dx", "dy", "width", "height", "left", "top", "bits", "unused")),
        *((name, ctypes.c_uint32) for name in ("is_signed", "resolutions", "factor")),
        ("data", ctypes.POINTER(ctypes.c_int32)),
        ("alpha", ctypes.c_uint16),
    )


class _Image(ctypes.Structure):
    """opj_image_t."""

    _fields_ = (
        *((name, ctypes.c_uint32) for name in ("left", "top", "right", "bottom", "count")),
        ("colours", ctypes.c_int),
        ("components", ctypes.POINTER(_Component)),
        ("profile", ctypes.c_void_p),
        ("profile_bytes", ctypes.c_uint32),
    )


_POINTER, _INT, _IMAGE = ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Image)

SIGNATURES: dict[str, tuple[Any, ...]] = {
    "opj_version": (ctypes.c_char_p,),
    "opj_create_decompress": (_POINTER, _INT),
    "opj_destroy_codec": (None, _POINTER),
    "opj_set_default_decoder_parameters": (None, _POINTER),
    "opj_setup_decoder": (_INT, _POINTER, _POINTER),
    "opj_set_error_handler": (_INT, _POINTER, MESSAGE, _POINTER),
    "opj_stream_create": (_POINTER, ctypes.c_size_t, _INT),
    "opj_stream_destroy": (None, _POINTER),
    "opj_stream_set_user_data": (None, _POINTER, _POINTER, _POINTER),
    "opj_stream_set_user_data_length": (None, _POINTER, ctypes.c_uint64),
    "opj_stream_set_read_function": (None, _POINTER, READ),
    "opj_stream_set_skip_function": (None, _POINTER, SKIP),
    "opj_stream_set_seek_function": (None, _POINTER, SEEK),
    "opj_read_header": (_INT, _POINTER, _POINTER, ctypes.POINTER(_IMAGE)),
    "opj_decode": (_INT, _POINTER, _POINTER, _IMAGE),
    "opj_get_decoded_tile": (_INT, _POINTER, _POINTER, _IMAGE, ctypes.c_uint32),
    "opj_image_destroy": (None, _IMAGE),
}


@dataclass(frozen=True, slots=True)
class Component:
    """A decoded component.

    samples: (H, W), valid until the codestream is closed.  left, top: of its first sample, in samples.
    dx, dy: pixels of the picture for each sample.
    """

    samples: NDArray[np.int32]
    left: int
    top: int
    dx: int
    dy: int
    bits: int
    is_signed: bool

    def give_back(self, rows: int) -> None:
        """Give the memory of the first rows back to the kernel: their samples are 0 from now on."""
        start = self.samples.ctypes.data
        first = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE
        end = (start + rows * self.samples.strides[0]) // mmap.PAGESIZE * mmap.PAGESIZE
        if end > first:
            _libc.madvise(ctypes.c_void_p(first), ctypes.c_size_t(end - first), mmap.MADV_DONTNEED)


@dataclass(slots=True)
class _Source:
    """The bytes of a codestream, where reading stands, and what the library said last."""

    data: bytes
    start: int
    at: int
    reason: str = ""


_libc = ctypes.CDLL(None)

_sources: dict[int, _Source] = {}
"""By the number that the library gives back to the functions below."""

_numbers = itertools.count(1)


def _read(to: int, most: int, number: int) -> int:
    source = _sources[number]
    count = min(most, len(source.data) - source.at)
    if count <= 0:
        return AT_END
    ctypes.memmove(to, source.data[source.at : source.at + count], count)
    source.at += count
    return count


def _skip(count: int, number: int) -> int:
    _sources[number].at += count
    return count


def _seek(to: int, number: int) -> int:
    source = _sources[number]
    source.at = source.start + to
    return 1


def _hear(text: bytes, number: int) -> None:
    source = _sources[number]
    # The first message is the cause, the later ones its consequences.
    source.reason = source.reason or text.decode(errors="replace").strip()[:LONGEST_REASON]


# As objects of the module they live as long as the library may call them.
_on_read, _on_skip, _on_seek, _on_message = READ(_read), SKIP(_skip), SEEK(_seek), MESSAGE(_hear)


@cache
def library() -> ctypes.CDLL | None:
    """Return the library with the types of its functions; None where no shared one is found."""
    folder = Path(PIL.__file__).parent
    shipped = [str(file) for pattern in SHIPPED for file in folder.glob(pattern)]
    # To look for the system's takes other programs, and is not done where it is not needed.
    for name in shipped or [found for found in [ctypes.util.find_library("openjp2")] if found]:
        try:
            found = ctypes.CDLL(name)
            for function, (result, *arguments) in SIGNATURES.items():
                getattr(found, function).restype, getattr(found, function).argtypes = result, arguments
        except (OSError, AttributeError):
            continue
        if found.opj_version().startswith(b"2."):
            return found
    return None


class Codestream:
    """A codestream that can be decoded.  Samples are valid until more is decoded or the codestream is closed."""

    def __init__(self, opj: Any, codec: int, stream: int, image: Any, source: _Source) -> None:
        self._opj, self._codec, self._stream, self._image, self._source = opj, codec, stream, image, source

    def whole(self) -> list[Component]:
        """The components of the picture.  Raises ValueError with the library's reason."""
        return self._components(self._opj.opj_decode(self._codec, self._stream, self._image))

    def tile(self, number: int) -> list[Component]:
        """The components of one tile, counted row by row.  Raises ValueError with the library's reason."""
        return self._components(self._opj.opj_get_decoded_tile(self._codec, self._stream, self._image, number))

    def _components(self, is_done: int) -> list[Component]:
        if not is_done:
            raise ValueError(self._source.reason or "it is broken")
        image = self._image.contents
        return [_component(image.components[index]) for index in range(image.count)]


@contextmanager
def opened(
    data: bytes, start: int, reduce: int, expected: tuple[tuple[int, ...], int], *, is_lenient: bool = False
) -> Iterator[Codestream]:
    """A codestream whose header has been read.

    start: where it begins in the data.  reduce: how often the picture is halved.
    expected: left, top, right and bottom of the picture and the number of its components, as the caller has read them.
    is_lenient: of a codestream that is cut off, what is there is decoded.
    Raises ValueError with the library's reason, and for other values than the expected ones before it decodes.
    """
    opj, number = library(), next(_numbers)
    if opj is None:
        raise ValueError("there is no shared library of OpenJPEG")
    source = _sources[number] = _Source(data, start, start)
    stream, codec, image = (
        opj.opj_stream_create(BUFFER_BYTES, IS_INPUT),
        opj.opj_create_decompress(CODESTREAM),
        _IMAGE(),
    )
    try:
        if not stream or not codec:
            raise MemoryError
        opj.opj_set_error_handler(codec, _on_message, number)
        opj.opj_stream_set_user_data(stream, number, None)
        opj.opj_stream_set_user_data_length(stream, len(data) - start)
        opj.opj_stream_set_read_function(stream, _on_read)
        opj.opj_stream_set_skip_function(stream, _on_skip)
        opj.opj_stream_set_seek_function(stream, _on_seek)
        parameters = ctypes.create_string_buffer(PARAMETERS_BYTES)
        opj.opj_set_default_decoder_parameters(parameters)
        ctypes.c_uint32.from_buffer(parameters).value = reduce
        is_ready = opj.opj_setup_decoder(codec, parameters)
        if is_lenient and hasattr(opj, "opj_decoder_set_strict_mode"):
            opj.opj_decoder_set_strict_mode(ctypes.c_void_p(codec), 0)
        is_open = is_ready and opj.opj_read_header(stream, codec, ctypes.byref(image))
        if not is_open:
            raise ValueError(source.reason or "its header is broken")
        seen = image.contents
        if ((seen.left, seen.top, seen.right, seen.bottom), seen.count) != expected:
            raise ValueError("its pixels are of another size or kind than its header says")
        yield Codestream(opj, codec, stream, image, source)
    finally:
        opj.opj_image_destroy(image)
        if codec:
            opj.opj_destroy_codec(codec)
        if stream:
            opj.opj_stream_destroy(stream)
        del _sources[number]


def _component(made: _Component) -> Component:
    if not made.data or not made.width or not made.height:
        raise ValueError("some of its pixels are missing")
    samples = np.ctypeslib.as_array(made.data, (made.height, made.width))
    return Component(samples, made.left, made.top, made.dx, made.dy, made.bits, bool(made.is_signed))
