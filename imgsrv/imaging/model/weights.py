"""Weights: how long a pixel takes in each operation and codec, as weights.json beside this module has it.

`imgsrv bench --weights` measures the numbers anew on the machine on which it runs.  Every number is nanoseconds of
processor time.  A pair is the time of a smooth picture and of noise, for codecs; of RGB and RGBA, for operations.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from imgsrv.errors import BadArgument

FILE = Path(__file__).with_name("weights.json")

Pair = tuple[float, float]

EFFORTS: tuple[int | None, ...] = (None, 0, 3, 5, 6, 9)
"""The values of `effort` that are measured; None is the default of the format."""

UNKNOWN: Pair = (50.0, 100.0)
"""For an operation that has not been measured."""

UNKNOWN_CODEC: Pair = (100.0, 200.0)

LEAST_SHARE = 0.4
"""A smooth picture counts as at least this fraction of noise: a small file can hold noise that nobody foresees."""


PALETTE_SHARE = 0.25
"""The same for a palette, which takes noise twelve times as long as a photograph."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """The weights of one encoder.

    lossy, lossless: a pair for each of EFFORTS, or one pair where the format has no effort.
    best: at quality 100.  progressive: with progressive scans.
    makes_palette: it always reduces a picture to a palette.
    """

    lossy: tuple[Pair, ...]
    lossless: tuple[Pair, ...] = ()
    best: Pair = (0.0, 0.0)
    progressive: Pair = (0.0, 0.0)
    makes_palette: bool = False

    def ns(self, detail: float, *, effort: int | None, is_lossless: bool, is_best: bool, is_progressive: bool) -> float:
        """Nanoseconds for each pixel.  detail: 0 for a smooth picture to 1 for noise."""
        least_share = PALETTE_SHARE if self.makes_palette else LEAST_SHARE
        pairs = self.lossless if is_lossless and self.lossless else self.lossy
        found = _at_effort([blended(pair, detail, least_share) for pair in pairs], effort)
        extra = (self.best if is_best else (0.0, 0.0), self.progressive if is_progressive else (0.0, 0.0))
        return max(found, *(blended(pair, detail) for pair in extra))


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """All weights; an estimate is remembered for the object that gave it.

    decoders, encoders: by format.  operations: by name, for each pixel of their work.
    palette: reducing a pixel to a palette.  likeness: comparing a pixel of two pictures, for `target`.
    part_byte: reading a byte of a further part that is no picture.
    """

    decoders: Mapping[str, Pair]
    operations: Mapping[str, Pair]
    encoders: Mapping[str, Encoder]
    palette: Pair
    likeness: float
    part_byte: float

    def decoder(self, name: str, detail: float) -> float:
        """Nanoseconds for each pixel that a decoder of that format reads.  detail: as for Encoder.ns."""
        return blended(self.decoders.get(name, UNKNOWN_CODEC), detail)

    def operation(self, name: str, *, has_alpha: bool) -> float:
        """Nanoseconds for each pixel of the operation's work."""
        return self.operations.get(name, UNKNOWN)[has_alpha]

    def encoder(self, name: str) -> Encoder:
        """The weights of the encoder of that format."""
        return self.encoders.get(name) or Encoder((UNKNOWN_CODEC,))

    @classmethod
    def of(cls, numbers: Mapping[str, Any]) -> Weights:
        """The weights in the form of the file."""
        return cls(
            {name: _pair(pair) for name, pair in numbers["decoders"].items()},
            {name: _pair(pair) for name, pair in numbers["operations"].items()},
            {name: _encoder(row) for name, row in numbers["encoders"].items()},
            _pair(numbers["palette"]),
            *(_time(numbers[name]) for name in ("likeness", "part_byte")),
        )


_used: list[Weights] = []
"""The weights that were read last."""


def weights() -> Weights:
    """The weights in use: of the file that was named last, else of the one beside this module."""
    if not _used:
        use_weights(FILE)
    return _used[-1]


def use_weights(file: Path) -> None:
    """Use the weights of a file from now on.  Raises BadArgument for a file that cannot be read."""
    try:
        found = Weights.of(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise BadArgument(
            f"the weights in {file} cannot be read ({reason}); make them by `imgsrv bench --weights`"
        ) from error
    _used[:] = [found]


def blended(pair: Pair, detail: float, least_share: float = LEAST_SHARE) -> float:
    """The time of a picture between smooth (0) and noise (1)."""
    low, high = max(pair[0], least_share * pair[1]), max(pair)
    return low + (high - low) * detail


def _at_effort(times: list[float], effort: int | None) -> float:
    """The time at an effort, between the measured ones by a geometric mean, since times grow by factors."""
    if effort is None or len(times) < len(EFFORTS):
        return times[0]
    measured = [(at, time) for at, time in zip(EFFORTS, times, strict=True) if at is not None]
    for (low, first), (high, last) in pairwise(measured):
        if effort <= high:
            share = (effort - low) / (high - low)
            return float(max(first, 0.1) ** (1 - share) * max(last, 0.1) ** share)
    return measured[-1][1]


def _pair(numbers: Any) -> Pair:
    first, second = numbers
    return _time(first), _time(second)


def _time(number: Any) -> float:
    if not 0 <= float(number) < math.inf:
        raise ValueError(f"{number} is no time")
    return float(number)


def _encoder(row: Mapping[str, Any]) -> Encoder:
    nothing = (0.0, 0.0)
    if len(row["lossy"]) not in (1, len(EFFORTS)) or len(row.get("lossless", ())) not in (0, 1, len(EFFORTS)):
        raise ValueError(f"an encoder has one pair, or one for each of {len(EFFORTS)} efforts")
    return Encoder(
        tuple(map(_pair, row["lossy"])),
        tuple(map(_pair, row.get("lossless", ()))),
        _pair(row.get("best", nothing)),
        _pair(row.get("progressive", nothing)),
        makes_palette=bool(row.get("makes_palette")),
    )
