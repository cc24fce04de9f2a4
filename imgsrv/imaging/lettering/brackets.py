"""The pairs of brackets in a text, for the bidirectional algorithm.

Source: Unicode Standard Annex 9, BD14 to BD16.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

MOST_OPEN = 63
"""BD16: brackets that can be open at one time; with more, no bracket of the sequence has a pair."""

ODD_PAIRS = {"[": "]", "{": "}", "\u298d": "\u2990", "\u298f": "\u298e", "\uff3b": "\uff3d", "\uff5b": "\uff5d"}
"""Brackets that are not closed by the next code point, as all others are.  Source: BidiBrackets.txt."""

ALIKE = {"\u2329": "\u3008", "\u232a": "\u3009"}
"""Brackets that are equivalent to another one."""


def bracket_pairs(places: Sequence[int], classes: Sequence[str], text: str) -> list[tuple[int, int]]:
    """BD16: the pairs, as positions in the sequence, by their opening brackets."""
    begun: list[tuple[str, int]] = []
    pairs: list[tuple[int, int]] = []
    for at, index in enumerate(places):
        if classes[index] != "ON" or not unicodedata.mirrored(text[index]):
            continue
        letter, category = text[index], unicodedata.category(text[index])
        if category == "Ps":
            if len(begun) == MOST_OPEN:
                return []
            closing = ODD_PAIRS.get(letter) or chr(ord(letter) + 1)
            begun.append((ALIKE.get(closing, closing), at))
        elif category == "Pe":
            closing = ALIKE.get(letter, letter)
            for depth in range(len(begun) - 1, -1, -1):
                if begun[depth][0] == closing:
                    pairs.append((begun[depth][1], at))
                    del begun[depth:]
                    break
    return sorted(pairs)
