"""The length of a bench: as long as its figures need, or with `--quick` only long enough to show that it works."""

from __future__ import annotations

from dataclasses import dataclass

QUICK_SHARE = 0.05

LEAST_SECONDS = 0.2


@dataclass(frozen=True)
class Pace:
    """The part of the full time that a bench takes."""

    share: float = 1.0

    @property
    def is_full(self) -> bool:
        """The figures are good enough to be kept."""
        return self.share == 1

    def seconds(self, full: float) -> float:
        """A duration in seconds."""
        return max(LEAST_SECONDS, full * self.share)

    def rounds(self, full: int, least: int = 1) -> int:
        """A number of repetitions."""
        return max(least, round(full * self.share))
