"""The letters of a text that no font of a chain has, in a sentence that says what to do."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from imgsrv.errors import joined
from imgsrv.imaging.lettering.fonts import fallback_names, fonts_with
from imgsrv.imaging.lettering.lines import clusters, shown_letters
from imgsrv.imaging.lettering.scripts import SCRIPTS
from imgsrv.imaging.lettering.typeface import Typeface, script_of

KEPT_TEXTS = 256
"""Texts whose letters are not looked for again in the same fonts."""

LETTERS_SHOWN = 3
FONTS_SHOWN = 3

MOST_SCRIPTS = 8
"""Missing scripts for each of which a font is looked for."""


def complaint(text: str, chain: Sequence[Typeface]) -> str | None:
    """What is wrong with the letters of a text; None if the fonts of the chain have all of them."""
    missing = _missing(text, tuple(chain))
    if not missing:
        return None
    single = list(dict.fromkeys(letter for cluster in missing for letter in cluster if not _is_had(letter, chain)))
    shown = single or list(dict.fromkeys("".join(missing)))
    more = len(shown) - LETTERS_SHOWN
    told = joined([*map(_named, shown[:LETTERS_SHOWN]), *([f"{more} more"] if more > 0 else [])])
    fonts = joined([face.name for face in chain])
    return f"{fonts} {'has' if len(chain) == 1 else 'have'} no glyph for {told}{_scripts(shown)}; {_advice(shown)}"


@lru_cache(KEPT_TEXTS)
def _missing(text: str, chain: tuple[Typeface, ...]) -> tuple[str, ...]:
    """The letters, each with its marks, that no font of the chain can write."""
    letters = dict.fromkeys(clusters("".join(map(shown_letters, text.splitlines()))))
    return tuple(letter for letter in letters if not any(face.can_write(letter) for face in chain))


def _is_had(letter: str, chain: Sequence[Typeface]) -> bool:
    return any(face.has(letter) for face in chain)


def _named(letter: str) -> str:
    shown = f"{letter} " if letter.isprintable() and unicodedata.category(letter)[0] != "M" else ""
    name = unicodedata.name(letter, "")
    return f"{shown}U+{ord(letter):04X}" + (f" ({name})" if name else "")


def _advice_by_script(letters: Sequence[str]) -> str:
    """What to do where no single font has all letters: a font for each script, or the scripts that no font here has."""
    scripts: dict[str, list[str]] = {}
    for letter in letters:
        scripts.setdefault(script_of(letter) or "", []).append(letter)
    fonts = (
        {script: fonts_with("".join(own)) for script, own in scripts.items()} if len(scripts) <= MOST_SCRIPTS else {}
    )
    if len(fonts) > 1 and all(fonts.values()):
        return f"no single font here has them all: start with {_fallback(*map(_first, fonts.values()))}"
    lacking = [SCRIPTS.get(script, script) for script, found in fonts.items() if script and not found]
    of = f" of {joined(lacking)}" if lacking and len(fonts) > 1 else ""
    return f"no font here has them{of}: put one that has into the folder of --font-dir"


def _first(names: Sequence[str]) -> str:
    """The first name of a regular weight, or else the first name."""
    return next((name for name in names if name.endswith("-Regular")), names[0])


def _fallback(*names: str) -> str:
    """The setting with which these fonts follow those of today."""
    return f"--font-fallback={','.join(dict.fromkeys((*fallback_names(), *names)))}"


def _scripts(letters: Sequence[str]) -> str:
    scripts = [SCRIPTS.get(script, script) for script in dict.fromkeys(map(script_of, letters)) if script]
    return f", of the {'script' if len(scripts) == 1 else 'scripts'} {joined(scripts)}" if scripts else ""


def _advice(letters: Sequence[str]) -> str:
    found = fonts_with("".join(letters))
    if not found:
        return _advice_by_script(letters)
    verb, first = "has" if len(found) == 1 else "have", found[0]
    return f"{joined(found[:FONTS_SHOWN])} {verb} them: write font={first}, or start with {_fallback(first)}"
