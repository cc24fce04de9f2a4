"""What `POST /info?include=…` may name, and what each name means."""

from __future__ import annotations

from collections.abc import Mapping

from imgsrv.imaging.analysis.measures import MEASURES
from imgsrv.imaging.info import ALL, PLACE


def included_texts() -> Mapping[str, str]:
    """Every name and what it asks for: the first line of a measure's docstring."""
    return {
        **{name: (measure.__doc__ or "").partition("\n")[0] for name, measure in MEASURES.items()},
        PLACE: "Where the picture was taken, from its EXIF; null where it does not say so.",
        ALL: f"Everything but `{PLACE}`.",
    }
