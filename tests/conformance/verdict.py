"""How one reading of a picture compares with those of independent readers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tests.conformance.readers import Pixels

SAME_DB = 40.0
"""Pictures are the same from this signal-to-noise ratio on, after multiplication by alpha."""

FINE = ("as the others", "as some", "refused as by most", "read alone", "refused by all")


@dataclass(frozen=True, slots=True)
class Verdict:
    """kind: a row of KINDS in __main__.  details: ratios or sizes by reader."""

    kind: str
    details: str = ""

    @property
    def is_fine(self) -> bool:
        """Nothing is wrong here that is right elsewhere."""
        return self.kind in FINE


def judge(ours: Pixels | str | None, others: Mapping[str, Pixels | None]) -> Verdict:
    """Our pixels beside those of the others, None where the picture was refused, a text where we failed.

    The majority is the largest group of readers that agree with one another; a single reader is one, too.
    """
    if isinstance(ours, str):
        return Verdict("failed", ours)
    read = {name: pixels for name, pixels in others.items() if pixels is not None}
    if not read:
        return Verdict("refused by all" if ours is None else "read alone")
    if ours is None:
        kind = "refused" if 2 * len(read) >= len(others) else "refused as by most"
        return Verdict(kind, f"read by {', '.join(read)}")
    groups = {name: [other for other in read if is_same(read[name], read[other])] for name in read}
    largest = max(map(len, groups.values()))
    details = ", ".join(f"{name} {_difference(ours, pixels)}" for name, pixels in read.items())
    alike = [name for name in read if is_same(ours, read[name])]
    if any(len(groups[name]) == largest for name in alike):
        return Verdict("as the others", details)
    return Verdict("as some" if alike else "otherwise", details)


def is_same(one: Pixels, other: Pixels) -> bool:
    """Same size, and at least SAME_DB."""
    return one.shape == other.shape and ratio(one, other) >= SAME_DB


def ratio(one: Pixels, other: Pixels) -> float:
    """The peak signal-to-noise ratio in dB of two arrays (H, W, 4) of the same shape, multiplied by alpha."""
    error = float(np.mean((_premultiplied(one) - _premultiplied(other)) ** 2))
    return 10 * float(np.log10(255**2 / error)) if error else 100.0


def _premultiplied(pixels: Pixels) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    values = pixels.astype(np.float32)
    values[..., :3] *= values[..., 3:] / 255
    return values


def _difference(ours: Pixels, other: Pixels) -> str:
    if ours.shape != other.shape:
        return f"{other.shape[1]}x{other.shape[0]} not {ours.shape[1]}x{ours.shape[0]}"
    return f"{ratio(ours, other):.1f} dB"
