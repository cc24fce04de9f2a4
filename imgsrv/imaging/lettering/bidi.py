"""The direction of each character of a paragraph: the Unicode bidirectional algorithm.

Source: Unicode Standard Annex 9, revision 48.  The names in comments are those of its rules.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from imgsrv.imaging.lettering.brackets import bracket_pairs

DEEPEST = 125
"""BD2: the deepest explicit level."""

EMBEDDINGS = {"RLE": (1, None), "LRE": (0, None), "RLO": (1, "R"), "LRO": (0, "L")}
"""The parity of the new level, and the direction that it forces."""

INITIATORS = frozenset(("LRI", "RLI", "FSI"))
REMOVED = frozenset((*EMBEDDINGS, "PDF", "BN"))
"""X9: classes that the other rules do not see."""

NEUTRAL = frozenset(("B", "S", "WS", "ON", "PDI", *INITIATORS))
TRAILING = frozenset(("WS", "PDI", *INITIATORS, *REMOVED))


def base_level(text: str) -> int:
    """P2 and P3: 1 where the first letter with a direction, outside of isolates, runs from right to left, else 0."""
    return _first_level(_classes(text))


def embedding_levels(text: str, base: int | None = None) -> list[int]:
    """The level of each character of one paragraph: even runs from left to right, odd from right to left.

    base: the level of the paragraph, 0 or 1; None for that of `base_level`.  The spaces at the end of a line have not
    been reset yet: `line_levels` does that, line by line.
    """
    classes = _classes(text)
    if base is None:
        base = _first_level(classes)
    if base == 0 and not any(kind in {"R", "AL", "AN", *EMBEDDINGS, *INITIATORS} for kind in classes):
        return [0] * len(text)
    pairs = _isolates(classes)
    original = list(classes)
    levels = _explicit(classes, pairs, base)
    kept = [index for index, kind in enumerate(original) if kind not in REMOVED]
    for sequence in list(_sequences(kept, levels, original, pairs, base)):
        _resolve_weak(sequence, classes)
        _resolve_separators(sequence, classes)
        _resolve_brackets(sequence, classes, text, original)
        _resolve_neutral(sequence, classes)
        for index in sequence.places:
            levels[index] = _implicit(levels[index], classes[index])
    before = base
    for index, kind in enumerate(original):
        # §5.2: what X9 removes takes the level before it.
        before = levels[index] = before if kind in REMOVED else levels[index]
    # L1, for the separators.
    return [base if kind in {"B", "S"} else level for level, kind in zip(levels, original, strict=True)]


def visual_order(levels: Sequence[int]) -> list[int]:
    """L2: the indices of the items of one line, from left to right."""
    order = list(range(len(levels)))
    for level in range(max(levels, default=0), 0, -1):
        start = 0
        while start < len(order):
            end = start
            while end < len(order) and levels[order[end]] >= level:
                end += 1
            order[start:end] = order[start:end][::-1]
            start = end + 1
    return order


def line_levels(text: str, levels: Sequence[int], base: int) -> list[int]:
    """L1: the levels of a line, whose spaces at the end and before separators have that of the paragraph."""
    result = list(levels)
    is_trailing = True
    for index in range(len(text) - 1, -1, -1):
        kind = unicodedata.bidirectional(text[index])
        is_trailing = kind in {"B", "S"} or (is_trailing and kind in TRAILING)
        if is_trailing:
            result[index] = base
    return result


@dataclass(frozen=True, slots=True)
class _Sequence:
    """BD13: an isolating run sequence: the indices of its characters, and the directions around it."""

    places: list[int]
    before: str
    after: str
    level: int

    @property
    def direction(self) -> str:
        return "LR"[self.level % 2]


def _classes(text: str) -> list[str]:
    return [unicodedata.bidirectional(letter) or "L" for letter in text]


def _first_level(classes: Iterable[str]) -> int:
    depth = 0
    for kind in classes:
        if kind in INITIATORS:
            depth += 1
        elif kind == "PDI":
            depth = max(0, depth - 1)
        elif depth == 0 and kind in {"L", "R", "AL"}:
            return int(kind != "L")
        elif kind == "B":
            break
    return 0


def _isolates(classes: Sequence[str]) -> dict[int, int]:
    """BD9: the index of the PDI that ends each isolate."""
    pairs: dict[int, int] = {}
    begun: list[int] = []
    for index, kind in enumerate(classes):
        if kind in INITIATORS:
            begun.append(index)
        elif kind == "PDI" and begun:
            pairs[begun.pop()] = index
    return pairs


@dataclass(slots=True)
class _Stack:
    """X1: the directional status stack: level, forced direction, and whether an isolate began it."""

    entries: list[tuple[int, str | None, bool]]
    lost_isolates: int = 0
    lost_embeddings: int = 0
    isolates: int = 0

    def push(self, parity: int, forced: str | None, *, is_isolate: bool) -> None:
        """X2 to X5c."""
        level = self.entries[-1][0] + 1
        level += level % 2 != parity
        if level <= DEEPEST and not self.lost_isolates and not self.lost_embeddings:
            self.isolates += is_isolate
            self.entries.append((level, forced, is_isolate))
        elif is_isolate:
            self.lost_isolates += 1
        elif not self.lost_isolates:
            self.lost_embeddings += 1

    def end_isolate(self) -> None:
        """X6a."""
        if self.lost_isolates:
            self.lost_isolates -= 1
        elif self.isolates:
            self.lost_embeddings = 0
            while not self.entries[-1][2]:
                self.entries.pop()
            self.entries.pop()
            self.isolates -= 1

    def end_embedding(self) -> None:
        """X7."""
        if self.lost_isolates:
            return
        if self.lost_embeddings:
            self.lost_embeddings -= 1
        elif not self.entries[-1][2] and len(self.entries) > 1:
            self.entries.pop()


def _explicit(classes: list[str], pairs: dict[int, int], base: int) -> list[int]:
    """X1 to X8: the explicit levels.  Changes the classes of characters whose direction is forced."""
    stack = _Stack([(base, None, False)])
    levels = []
    for index, kind in enumerate(list(classes)):
        if kind == "PDI":
            stack.end_isolate()
        level, forced, _is_isolate = stack.entries[-1]
        levels.append(base if kind == "B" else level)
        if forced is not None and kind not in REMOVED and kind != "B":
            classes[index] = forced
        if kind in EMBEDDINGS:
            stack.push(*EMBEDDINGS[kind], is_isolate=False)
        elif kind in INITIATORS:
            inside = islice(classes, index + 1, pairs.get(index, len(classes)))
            parity = _first_level(inside) if kind == "FSI" and not stack.lost_isolates else int(kind == "RLI")
            stack.push(parity, None, is_isolate=True)
        elif kind == "PDF":
            stack.end_embedding()
    return levels


def _sequences(
    kept: Sequence[int], levels: Sequence[int], original: Sequence[str], pairs: dict[int, int], base: int
) -> Iterator[_Sequence]:
    """X10: the isolating run sequences."""
    runs: list[list[int]] = []
    for index in kept:
        if runs and levels[runs[-1][-1]] == levels[index]:
            runs[-1].append(index)
        else:
            runs.append([index])
    run_at = {run[0]: number for number, run in enumerate(runs)}
    follows = {number: run_at.get(pairs.get(run[-1], -1)) for number, run in enumerate(runs)}
    continued = set(follows.values())
    for first in range(len(runs)):
        if first in continued:
            continue
        places, last, number = list(runs[first]), first, follows[first]
        while number is not None:
            places += runs[number]
            last, number = number, follows[number]
        level = levels[places[0]]
        before = levels[runs[first - 1][-1]] if first else base
        is_open = original[places[-1]] in INITIATORS
        after = levels[runs[last + 1][0]] if last + 1 < len(runs) and not is_open else base
        yield _Sequence(places, "LR"[max(level, before) % 2], "LR"[max(level, after) % 2], level)


def _resolve_weak(sequence: _Sequence, classes: list[str]) -> None:
    """W1 to W5."""
    places = sequence.places
    before = strong = sequence.before
    for index in places:
        kind = classes[index]
        if kind == "NSM":  # W1
            kind = "ON" if before in {*INITIATORS, "PDI"} else before
        before = kind
        if kind in {"L", "R", "AL"}:
            strong = kind
        if kind == "EN" and strong == "AL":  # W2
            kind = "AN"
        classes[index] = kind
    for index in places:  # W3
        if classes[index] == "AL":
            classes[index] = "R"
    for at in range(1, len(places) - 1):  # W4
        left, kind, right = (classes[places[at + step]] for step in (-1, 0, 1))
        if left == right and (kind, left) in {("ES", "EN"), ("CS", "EN"), ("CS", "AN")}:
            classes[places[at]] = left
    _resolve_terminators(places, classes)


def _resolve_terminators(places: Sequence[int], classes: list[str]) -> None:
    """W5: signs such as % beside a European number belong to it."""
    for direction in (places, places[::-1]):
        is_beside = False
        for index in direction:
            if classes[index] == "ET" and is_beside:
                classes[index] = "EN"
            else:
                is_beside = classes[index] == "EN"


def _resolve_separators(sequence: _Sequence, classes: list[str]) -> None:
    """W6 and W7: signs that belong to no number are neutral, and a number behind a left-to-right letter is one."""
    strong = sequence.before
    for index in sequence.places:
        kind = classes[index]
        if kind in {"L", "R"}:
            strong = kind
        elif kind in {"ES", "ET", "CS"}:  # W6
            classes[index] = "ON"
        elif kind == "EN" and strong == "L":  # W7
            classes[index] = "L"


def _strong(kind: str) -> str | None:
    """The direction of a class for N0 to N2; numbers count as right to left."""
    return "R" if kind in {"R", "EN", "AN"} else "L" if kind == "L" else None


def _resolve_brackets(sequence: _Sequence, classes: list[str], text: str, original: Sequence[str]) -> None:
    """N0: a pair of brackets takes one direction, and so do the marks on it."""
    places, own = sequence.places, sequence.direction
    for opening, closing in bracket_pairs(places, classes, text):
        inside = {_strong(classes[places[at]]) for at in range(opening + 1, closing)} - {None}
        if not inside:
            continue
        direction = own
        if own not in inside:
            context = (_strong(classes[places[at]]) for at in range(opening - 1, -1, -1))
            other = "L" if own == "R" else "R"
            direction = other if next(filter(None, context), sequence.before) == other else own
        for at in (opening, closing):
            classes[places[at]] = direction
            for later in range(at + 1, len(places)):
                if original[places[later]] != "NSM":
                    break
                classes[places[later]] = direction


def _resolve_neutral(sequence: _Sequence, classes: list[str]) -> None:
    """N1 and N2: what has no direction takes that of both sides where they agree, else that of the level."""
    places = sequence.places
    start = 0
    before = sequence.before
    while start < len(places):
        kind = classes[places[start]]
        if kind not in NEUTRAL:
            before = _strong(kind) or before
            start += 1
            continue
        end = start
        while end < len(places) and classes[places[end]] in NEUTRAL:
            end += 1
        after = sequence.after if end == len(places) else _strong(classes[places[end]])
        direction = before if before == after else sequence.direction
        for at in range(start, end):
            classes[places[at]] = direction
        start = end


def _implicit(level: int, kind: str) -> int:
    """I1 and I2."""
    if level % 2:
        return level + (kind in {"L", "EN", "AN"})
    return level + (1 if kind == "R" else 2 if kind in {"EN", "AN"} else 0)
