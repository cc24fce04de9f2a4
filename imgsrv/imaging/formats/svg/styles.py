"""Changes of the styles of a drawing, so that resvg draws them as browsers do."""

from __future__ import annotations

import re

OWN_FONT = ", Source Sans Pro"
"""The font that is appended to each list of fonts, for texts in fonts that are not installed."""

FONTS = re.compile(r"((?:^|[\s;{])font(?:-family)?\s*+:[^;{}]*[^;{}\s])", re.IGNORECASE)
"""A declaration of fonts in a style sheet, without the semicolon at its end."""

FUNCTION = re.compile(
    r"(translate|translateX|translateY|scale|scaleX|scaleY|rotate|skewX|skewY|matrix)\(([-+0-9.eE,\spxdeg]{1,200})\)",
    re.IGNORECASE,
)
"""A function of a transform in CSS whose arguments are numbers, pixels and degrees."""

NUMBER = re.compile(r"([-+]?(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:e[-+]?[0-9]++)?+)(?:px|deg)?", re.IGNORECASE)
"""A number with or without the unit that it has in a transform anyway."""

ALONG_ONE_AXIS = {
    "translatex": "translate({} 0)",
    "translatey": "translate(0 {})",
    "scalex": "scale({} 1)",
    "scaley": "scale(1 {})",
}
"""Functions that only CSS has, as functions that SVG has too."""

LONGEST_TRANSFORM = 2000
"""Characters of a transform in a style that are read."""


def with_own_font(style: str) -> str:
    """The style, with the installed font behind the fonts that it names."""
    return FONTS.sub(rf"\1{OWN_FONT}", style)


def declarations(style: str) -> dict[str, str]:
    """The declarations of a style attribute; of equal properties the last one holds."""
    found = {}
    for part in style.split(";"):
        name, colon, value = part.partition(":")
        if colon:
            found[name.strip().lower()] = value.strip()
    return found


def transform_of(value: str) -> str | None:
    """A transform of CSS as the attribute of SVG; None where it needs more than numbers, pixels and degrees."""
    value = value.removesuffix("!important").strip()
    if value == "none" or len(value) > LONGEST_TRANSFORM:
        return "" if value == "none" else None
    parts = []
    at = 0
    for found in FUNCTION.finditer(value):
        numbers = NUMBER.findall(found[2])
        if value[at : found.start()].strip(" ,\t\n\r") or NUMBER.sub("", found[2]).strip(" ,\t\n\r"):
            return None
        name = found[1].lower()
        if name in ALONG_ONE_AXIS:
            parts.append(ALONG_ONE_AXIS[name].format(numbers[0] if numbers else 0))
        else:
            parts.append(f"{found[1]}({' '.join(numbers)})")
        at = found.end()
    return None if value[at:].strip() or not parts else " ".join(parts)
