"""The header of a JPEG XL codestream (ISO/IEC 18181-1: size, then metadata): its size is known before anything runs."""

from __future__ import annotations

from dataclasses import dataclass

from imgsrv.imaging.pixels.orientation import SIDEWAYS

CODESTREAM, CONTAINER = b"\xff\x0a", b"\x00\x00\x00\x0cJXL \r\n\x87\n"
"""First bytes of a bare codestream, and of a container with boxes."""

HEADER_BYTES = 64
"""First bytes of a codestream that are parsed: more than its size and the parsed metadata can take."""

RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
"""Width to height, by the code in a header that gives no width."""


@dataclass(frozen=True, slots=True)
class JxlHeader:
    """The header of a codestream.  size: of the upright picture, because libjxl applies the orientation."""

    size: tuple[int, int]
    orientation: int = 1
    bits: int = 8
    has_alpha: bool = False


class _Bits:
    """Reads numbers of a codestream, lowest bit first.  at: the bits read.  Raises SyntaxError behind its end."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left, self.at = int.from_bytes(data, "little"), 8 * len(data), 0

    def take(self, count: int) -> int:
        self._left -= count
        self.at += count
        if self._left < 0:
            raise SyntaxError("its header is cut off")
        taken = self._value & ((1 << count) - 1)
        self._value >>= count
        return taken

    def code(self) -> int:
        """A number of an enumeration."""
        return self.choose((0, 0), (1, 0), (2, 4), (18, 6))

    def choose(self, *ways: tuple[int, int]) -> int:
        """A number of type U32: its first two bits select one of the four pairs (offset, bits that are added)."""
        offset, bits = ways[self.take(2)]
        return offset + self.take(bits)


def read_jxl_header(data: bytes) -> JxlHeader:
    """The header of the codestream that begins with `data`.  Raises SyntaxError if `data` is not one."""
    if not data.startswith(CODESTREAM):
        raise SyntaxError("it has no codestream")
    return _header(_Bits(data[2:HEADER_BYTES]))[0]


def _header(bits: _Bits) -> tuple[JxlHeader, int]:
    """The header, and the number of channels beside the colours, which the codestream describes next."""
    size = _size(bits)
    if bits.take(1):
        return JxlHeader(size), 0
    orientation = 1
    if bits.take(1):
        orientation = 1 + bits.take(3)
        _skip_extra_fields(bits)
    depth = _depth(bits)
    bits.take(1)
    channels = bits.choose((0, 0), (1, 0), (2, 4), (1, 12))
    return JxlHeader(size[::-1] if orientation in SIDEWAYS else size, orientation, depth, channels > 0), channels


def _depth(bits: _Bits) -> int:
    """The bits of a channel."""
    if not bits.take(1):
        return bits.choose((8, 0), (10, 0), (12, 0), (1, 6))
    depth = bits.choose((32, 0), (16, 0), (24, 0), (1, 6))
    bits.take(4)
    return depth


LINEAR, SRGB = 8, 13
"""Codes of transfer curves (H.273)."""

_CODE_SHAPE = 0b10, 2
"""Both of them are written as two bits that select a shape, and then what is more than 2, in 4 bits."""


def with_srgb_curve(codestream: bytes) -> bytes:
    """A codestream of RGB or grey whose header says that its colours are linear, with one that says that they are sRGB.

    Nothing else changes.  Raises ValueError for any other codestream.
    Source: ISO/IEC 18181-1, tables of ImageMetadata, ExtraChannelInfo and ColourEncoding.
    """
    bits = _Bits(codestream[2:HEADER_BYTES])
    _found, channels = _header(bits)
    for _ in range(channels):
        _skip_channel(bits)
    _is_xyb, is_srgb, has_profile = bits.take(1), bits.take(1), bits.take(1)
    is_grey, white = bits.code() == 1, bits.code()
    primaries = 1 if is_grey else bits.code()
    has_gamma, at, curve = bits.take(1), bits.at, bits.code()
    if (is_srgb, has_profile, white, primaries, has_gamma, curve) != (0, 0, 1, 1, 0, LINEAR):
        raise ValueError("its colours are not linear light of sRGB")
    shape, skipped = _CODE_SHAPE
    change = ((shape | (LINEAR - 2) << skipped) ^ (shape | (SRGB - 2) << skipped)) << (at + 8 * len(CODESTREAM))
    head = int.from_bytes(codestream[:HEADER_BYTES], "little") ^ change
    return head.to_bytes(len(codestream[:HEADER_BYTES]), "little") + codestream[HEADER_BYTES:]


def _skip_channel(bits: _Bits) -> None:
    """Skip what is said of a channel beside the colours: here alpha without a name."""
    if bits.take(1):
        return
    kind = bits.code()
    _depth(bits)
    bits.choose((0, 0), (3, 0), (4, 0), (1, 3))
    if kind != 0 or bits.choose((0, 0), (0, 4), (16, 5), (48, 10)):
        raise ValueError("it has a channel that is no alpha")
    bits.take(1)


def _size(bits: _Bits) -> tuple[int, int]:
    is_small = bits.take(1)
    height = _side(bits, is_small=is_small)
    ratio = bits.take(3)
    if ratio == 0:
        return _side(bits, is_small=is_small), height
    across, down = RATIOS[ratio]
    return height * across // down, height


def _side(bits: _Bits, *, is_small: int) -> int:
    return 8 * (1 + bits.take(5)) if is_small else bits.choose((1, 9), (1, 13), (1, 18), (1, 30))


def _skip_extra_fields(bits: _Bits) -> None:
    """Skip the intrinsic size, the size of the preview and the timing of the animation."""
    if bits.take(1):
        _size(bits)
    if bits.take(1):
        is_small = bits.take(1)
        sides = ((16, 0), (32, 0), (1, 5), (33, 9)) if is_small else ((1, 6), (65, 8), (321, 10), (1345, 12))
        bits.choose(*sides)
        if bits.take(3) == 0:
            bits.choose(*sides)
    if bits.take(1):
        bits.choose((100, 0), (1000, 0), (1, 10), (1, 30))
        bits.choose((1, 0), (1001, 0), (1, 8), (1, 10))
        bits.choose((0, 0), (0, 3), (0, 16), (0, 32))
        bits.take(1)
