"""The size of a drawing in pixels, from the attributes of its root element."""

from __future__ import annotations

import re
from collections.abc import Mapping

from imgsrv.imaging.model.limits import ExactSize

LENGTH = re.compile(r"((?:[0-9]++(?:\.[0-9]++)?+|\.[0-9]++)(?:e[+-]?[0-9]++)?+)\s*+([a-z]*+)", re.IGNORECASE)
"""A number and its unit.  No part of the pattern gives back what it took, so the time is linear."""

LONGEST_LENGTH, LONGEST_VIEW_BOX = 64, 256
"""Characters of a length and of a view box that are read."""

UNITS = {
    "": 1, "px": 1, "pt": 4 / 3, "pc": 16, "in": 96, "cm": 96 / 2.54, "mm": 96 / 25.4, "em": 16, "ex": 8,
}  # fmt: skip
"""Pixels of each unit, as CSS defines them."""

DEFAULT_SIZE = 300.0, 150.0
"""Width and height of a drawing that gives no size: the default of CSS 2.2, §10.3.2."""

LEAST_SIDE, MOST_SIDE = 1e-6, 1e9
"""Bounds of a side in pixels, so that a message can always show the size as a number and a scale divide by it."""


def size_of(attributes: Mapping[str, str]) -> ExactSize:
    """Width and height in pixels.

    A missing side follows from the other side and the view box.  Without both sides it is the size of the view box.
    """
    width, height = _length(attributes.get("width")), _length(attributes.get("height"))
    box = view_box(attributes.get("viewBox", ""))
    if box is None:
        width, height = width or DEFAULT_SIZE[0], height or DEFAULT_SIZE[1]
    elif not width or not height:
        scale = width / box[0] if width else height / box[1] if height else 1.0
        width, height = box[0] * scale, box[1] * scale
    return min(MOST_SIDE, max(LEAST_SIDE, width)), min(MOST_SIDE, max(LEAST_SIDE, height))


def _length(text: str | None) -> float:
    """A length in pixels; 0 for a missing one and for a percentage, which has no meaning outside of a page."""
    found = LENGTH.fullmatch(text.strip()) if text and len(text) <= LONGEST_LENGTH else None
    unit = UNITS.get(found[2].lower(), 0) if found else 0
    return min(MOST_SIDE, float(found[1]) * unit) if found and unit else 0.0


def view_box(text: str) -> ExactSize | None:
    """Width and height of a view box; None for one that is not valid."""
    if len(text) > LONGEST_VIEW_BOX:
        return None
    try:
        _left, _top, width, height = map(float, text.replace(",", " ").split())
    except ValueError:
        return None
    return (width, height) if 0 < width < MOST_SIDE and 0 < height < MOST_SIDE else None
