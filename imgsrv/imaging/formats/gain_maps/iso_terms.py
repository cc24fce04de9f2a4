"""The metadata of a gain map in the bytes of ISO 21496-1, annex C."""

from __future__ import annotations

import struct
from fractions import Fraction

from imgsrv.imaging.model.gain_map import CHANNELS, GainTerms

SIGNATURE = b"urn:iso:std:iso:ts:21496:-1\0"
"""It stands in front of the metadata in a segment of a JPEG."""

VERSION = struct.pack(">HH", 0, 0)
"""The least version of a reader, and that of the writer; the segment of the base picture has nothing else."""

HAS_CHANNELS, IN_BASE_COLOURS, BACKWARD, ONE_DENOMINATOR = 128, 64, 4, 8
"""Bits of the flags."""

HEADROOMS, TERMS = "II", "iiIii"
"""The numerators: of both headrooms, and of one channel."""

FIELDS = len(TERMS)


def read_iso_terms(data: bytes) -> GainTerms:
    """The metadata.  Raises SyntaxError."""
    try:
        least_version, _writer, flags = struct.unpack_from(">HHB", data)
        if least_version:
            raise SyntaxError(f"it is of version {least_version} of ISO 21496-1")
        count = CHANNELS if flags & HAS_CHANNELS else 1
        numbers = (_with_one if flags & ONE_DENOMINATOR else _with_each)(data[5:], HEADROOMS + TERMS * count)
    except (struct.error, ZeroDivisionError) as error:
        raise SyntaxError("its metadata is cut off or divides by zero") from error
    low, high, gamma, base, other = (tuple(numbers[2 + field :: FIELDS]) for field in range(FIELDS))
    in_base, is_backward = bool(flags & IN_BASE_COLOURS), bool(flags & BACKWARD)
    return GainTerms(low, high, gamma, base, other, numbers[0], numbers[1], in_base, is_backward)


def _with_one(data: bytes, kinds: str) -> list[Fraction]:
    below, *above = struct.unpack_from(f">I{kinds}", data)
    return [Fraction(number, below) for number in above]


def _with_each(data: bytes, kinds: str) -> list[Fraction]:
    found = struct.unpack_from(">" + "".join(f"{kind}I" for kind in kinds), data)
    return [Fraction(above, below) for above, below in zip(found[::2], found[1::2], strict=True)]


def written_iso_terms(terms: GainTerms) -> bytes:
    """The bytes of the metadata."""
    count = len(terms.low)
    flags = (count > 1) * HAS_CHANNELS + terms.is_in_base_colours * IN_BASE_COLOURS + terms.is_backward * BACKWARD
    columns = zip(terms.low, terms.high, terms.gamma, terms.base_offset, terms.other_offset, strict=True)
    numbers = [terms.base_headroom, terms.other_headroom, *(number for column in columns for number in column)]
    kinds = "".join(f"{kind}I" for kind in HEADROOMS + TERMS * count)
    return VERSION + struct.pack(
        f">B{kinds}", flags, *(part for number in numbers for part in number.as_integer_ratio())
    )
