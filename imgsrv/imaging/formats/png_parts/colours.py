"""The colours of a PNG: the one of its four ways to tell them that counts.

Of several, the first of cICP, iCCP, sRGB and gAMA with cHRM that can be used counts (PNG specification, third edition,
§4.3 and §13.12).  Chunks behind the first pixels and repeated ones are ignored, as by libpng.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from imgsrv.imaging.model.cicp import Cicp

MOST_PROFILE_BYTES = 4 << 20
"""Bytes of a profile that is read.  Profiles of printing presses have up to 3 MiB."""

PROFILE_HEADER_BYTES = 128
"""A profile begins with a header of that length (ICC.1:2022, 7.2)."""

CICP_BYTES, SRGB_BYTES, GAMMA_BYTES, CHROMATICITY_BYTES = 4, 1, 4, 32

STEPS = 100_000
"""gAMA and cHRM count in these parts of 1."""

INTENTS = 4

PRIMARIES = frozenset((1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 22))
TRANSFERS = frozenset((1, *range(4, 19)))
"""The codes of H.273 that mean something: neither unspecified nor reserved."""


class Colours:
    """The facts in the chunks.  depth, colour_type: of the header.  palette_bytes: of the palette."""

    READERS: ClassVar[Mapping[bytes, Callable[[Colours, bytes], None]]]
    """By the kind of the chunk."""

    def __init__(self) -> None:
        self.depth = self.colour_type = self.palette_bytes = 0
        self._cicp: Cicp | None = None
        self._profile: bytes | None = None
        self._intent: int | None = None
        self._gamma: float | None = None
        self._chromaticity: tuple[float, ...] | None = None

    def info(self) -> dict[str, Any]:
        """The facts that count, by the keys of `Image.info`: cicp, icc_profile, srgb, or gamma and chromaticity."""
        if self._cicp:
            return {"cicp": self._cicp}
        if self._profile:
            return {"icc_profile": self._profile}
        if self._intent is not None:
            return {"srgb": self._intent}
        found = {"gamma": self._gamma, "chromaticity": self._chromaticity}
        return {key: value for key, value in found.items() if value is not None}

    def _read_cicp(self, data: bytes) -> None:
        if len(data) != CICP_BYTES:
            return
        primaries, transfer, matrix, full = data
        # Samples of a PNG are RGB or grey, so that there is no matrix (11.3.2.6).
        if primaries in PRIMARIES and transfer in TRANSFERS and matrix == 0 and full <= 1:
            self._cicp = Cicp(primaries, transfer, matrix, full == 1)

    def _read_profile(self, data: bytes) -> None:
        _name, _, rest = data.partition(b"\0")
        if rest[:1] != b"\0":
            return
        unpacker = zlib.decompressobj()
        try:
            profile = unpacker.decompress(rest[1:], MOST_PROFILE_BYTES)
        except zlib.error:
            return
        if unpacker.eof and len(profile) > PROFILE_HEADER_BYTES:
            self._profile = profile

    def _read_intent(self, data: bytes) -> None:
        if len(data) == SRGB_BYTES and data[0] < INTENTS:
            self._intent = data[0]

    def _read_gamma(self, data: bytes) -> None:
        gamma = int.from_bytes(data, "big")
        if len(data) == GAMMA_BYTES and gamma:
            self._gamma = gamma / STEPS

    def _read_chromaticity(self, data: bytes) -> None:
        if len(data) != CHROMATICITY_BYTES:
            return
        white_x, white_y, *primaries = (part / STEPS for part in struct.unpack(">8I", data))
        (red_x, red_y), (green_x, green_y), (blue_x, blue_y) = zip(primaries[::2], primaries[1::2], strict=True)
        area = (green_x - red_x) * (blue_y - red_y) - (blue_x - red_x) * (green_y - red_y)
        # Without a white or with primaries in one line there is no conversion.
        if white_y and area and white_x + white_y <= 1:
            self._chromaticity = (white_x, white_y, *primaries)


Colours.READERS = {
    b"cICP": Colours._read_cicp,  # noqa: SLF001
    b"iCCP": Colours._read_profile,  # noqa: SLF001
    b"sRGB": Colours._read_intent,  # noqa: SLF001
    b"gAMA": Colours._read_gamma,  # noqa: SLF001
    b"cHRM": Colours._read_chromaticity,  # noqa: SLF001
}
