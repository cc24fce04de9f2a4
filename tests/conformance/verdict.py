"""How one reading of a picture compares with those of independent readers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.conformance.readers import Pixels

SAME_DB = 40.0
"""Pictures are the same from this signal-to-noise ratio on, after multiplication by alpha."""

LEAST_VOTES = 2
"""Readers that a majority needs."""

SHARED = {
    "jpeg": {"chromium": "libjpeg", "sharp": "libjpeg", "magick": "libjpeg"},
    "png": {"sharp": "libpng", "magick": "libpng"},
    "webp": {"chromium": "libwebp", "sharp": "libwebp", "magick": "libwebp"},
    "tiff": {"sharp": "libtiff", "magick": "libtiff", "OpenImageIO": "libtiff"},
    "jp2": {"opj_decompress": "OpenJPEG", "magick": "OpenJPEG", "OpenImageIO": "OpenJPEG"},
    "avif": {"chromium": "libavif", "avifdec": "libavif", "sharp": "libheif", "heif-convert": "libheif",
             "magick": "libheif"},
    "heic": {"heif-convert": "libheif", "magick": "libheif"},
    "jxl": {"djxl": "libjxl", "magick": "libjxl"},
}  # fmt: skip
"""The library with which a program reads a format, where several programs have it."""

ALIKE, OTHERWISE, REFUSED = "as the majority", "otherwise", "refused"
AS_SOME, AS_NONE, REFUSED_HERE = "as some", "as none", "refused here"
ALONE, BY_NONE, FAILED = "read alone", "by none", "failed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """kind: one of the names above; the first three are for pictures with a majority.

    details: the readers that agree, and ratios or sizes by reader.  by_libraries: whether it is read as by the
    majority if programs with the same library have one vote; None without such a majority.
    """

    kind: str
    details: str = ""
    by_libraries: bool | None = None

    @property
    def is_fine(self) -> bool:
        """Nothing has to be explained."""
        return self.kind in (ALIKE, AS_SOME, ALONE, BY_NONE)


def judge(ours: Pixels | str | None, others: Mapping[str, Pixels | None], form: str = "") -> Verdict:
    """Our pixels beside those of the others, None where the picture was refused, a text where we failed.

    The majority is the largest group of at least two readers that agree, if no other group is as large.
    """
    if isinstance(ours, str):
        return Verdict(FAILED, ours)
    read = {name: _Reading.of(pixels) for name, pixels in others.items() if pixels is not None}
    mine = None if ours is None else _Reading.of(ours)
    groups = _groups(read)
    libraries = SHARED.get(form, {})
    by_programs = _largest(groups, {name: name for name in read})
    by_libraries = _largest(groups, {name: libraries.get(name, name) for name in read})
    details = " = ".join(by_programs) + "; " if by_programs else ""
    if mine is None:
        details += f"read by {', '.join(read)}" if read else ""
        kind = REFUSED if by_programs else REFUSED_HERE if read else BY_NONE
        return Verdict(kind, details, by_libraries=False if by_libraries else None)
    details += ", ".join(f"{name} {_difference(mine, reading)}" for name, reading in read.items())
    alike = {name for name, reading in read.items() if _is_same(mine, reading)}
    if by_programs:
        kind = ALIKE if _most(alike, by_programs) else OTHERWISE
    else:
        kind = (AS_SOME if alike else AS_NONE) if read else ALONE
    return Verdict(kind, details, by_libraries=_most(alike, by_libraries) if by_libraries else None)


def _most(alike: set[str], majority: Sequence[str]) -> bool:
    """At least half of the majority are among those."""
    return 2 * len(alike.intersection(majority)) >= len(majority)


def _largest(groups: Sequence[tuple[str, ...]], votes: Mapping[str, str]) -> tuple[str, ...]:
    """The group with most votes, none if it has one vote or another group without the same members has as many.

    votes: what each reader votes for; those with the same have one vote.
    """
    counts = {group: len({votes[name] for name in group}) for group in groups}
    best = max(groups, key=lambda group: (counts[group], len(group)), default=())
    if not best or counts[best] < LEAST_VOTES:
        return ()
    rivals = [group for group in groups if counts[group] >= counts[best] and not set(group) & set(best)]
    return () if rivals else best


def _groups(read: Mapping[str, _Reading]) -> list[tuple[str, ...]]:
    """For each reader, those that agree with it."""
    names = list(read)
    same = {(one, one) for one in names}
    for at, one in enumerate(names):
        for other in names[:at]:
            if _is_same(read[one], read[other]):
                same |= {(one, other), (other, one)}
    return list(dict.fromkeys(tuple(other for other in names if (one, other) in same) for one in names))


@dataclass(frozen=True, slots=True)
class _Reading:
    """values: (H, W, 4), colours multiplied by alpha, in steps of 1/255 of a level."""

    values: NDArray[np.int32]

    @classmethod
    def of(cls, pixels: Pixels) -> _Reading:
        values = pixels.astype(np.int32)
        values[..., :3] *= values[..., 3:]
        values[..., 3] *= 255
        return cls(values)


def is_same(one: Pixels, other: Pixels) -> bool:
    """Same size, and at least SAME_DB."""
    return _is_same(_Reading.of(one), _Reading.of(other))


def ratio(one: Pixels, other: Pixels) -> float:
    """The peak signal-to-noise ratio in dB of two arrays (H, W, 4) of the same shape, multiplied by alpha."""
    return _ratio(_Reading.of(one), _Reading.of(other))


def _is_same(one: _Reading, other: _Reading) -> bool:
    return one.values.shape == other.values.shape and _ratio(one, other) >= SAME_DB


def _ratio(one: _Reading, other: _Reading) -> float:
    difference = (one.values - other.values).astype(np.float32).ravel()
    error = float(difference @ difference) / difference.size / 255**2
    return 10 * float(np.log10(255**2 / error)) if error else 100.0


def _difference(ours: _Reading, other: _Reading) -> str:
    if ours.values.shape != other.values.shape:
        (height, width), (our_height, our_width) = other.values.shape[:2], ours.values.shape[:2]
        return f"{width}x{height} not {our_width}x{our_height}"
    return f"{_ratio(ours, other):.1f} dB"
