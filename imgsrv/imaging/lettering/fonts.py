"""Fonts by name: those of an installed package, and those of a folder that was given at start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from imgsrv.errors import BadSetting, joined
from imgsrv.imaging.lettering.typeface import NoFontError, Typeface

BUILT_IN = "SourceSansPro-Regular"
"""Latin, Greek and Cyrillic, from the package font-source-sans-pro, which brings further weights and an italic."""

SUFFIXES = (".ttf", ".otf", ".ttc", ".woff2")

DRAWING_FONTS = (BUILT_IN, "SourceSansPro-It", "SourceSansPro-Bold", "SourceSansPro-BoldIt")
"""Fonts for the text in an SVG; reading all weights would take 15 ms."""

NAMES_SHOWN = 12
"""Most names of fonts in a message."""

_FOLDERS: list[Path] = []
_FALLBACKS: list[str] = []


def use_fonts(folder: Path) -> None:
    """Make every font file of the folder usable by its name without suffix.  Raises BadSetting."""
    try:
        found = _fonts_in(folder)
    except OSError as error:
        raise BadSetting(f"--font-dir={folder}", f"it cannot be read ({error.strerror}); name a folder") from error
    if not found:
        raise BadSetting(f"--font-dir={folder}", f"it holds no font; fonts end with {', '.join(SUFFIXES)}")
    for name, file in found.items():
        try:
            _opened(name, file)
        except OSError as error:
            raise BadSetting(f"--font-dir={folder}", f"{file.name} cannot be read ({error.strerror})") from error
        except NoFontError as error:
            raise BadSetting(f"--font-dir={folder}", f"{file.name} {error}; remove it") from error
        except ValueError:
            # A font, but of no use for `text`: `unusable_fonts` says why.
            continue
    _FOLDERS.append(folder)
    _files.cache_clear()


def use_fallbacks(names: Sequence[str]) -> None:
    """Write what the font of a text lacks in these fonts, the first that has it.  Raises BadSetting."""
    for name in names:
        if name not in font_names():
            raise BadSetting(
                f"--font-fallback={','.join(names)}", f"there is no font {name!r}; there are {font_list()}"
            )
    _FALLBACKS[:] = names


def fallback_names() -> tuple[str, ...]:
    """The names that were given to `use_fallbacks`."""
    return tuple(_FALLBACKS)


def font_names() -> list[str]:
    """The names that the parameter `font` can have."""
    unusable = unusable_fonts()
    return [name for name in _files() if name not in unusable]


def font_list() -> str:
    """The names of the fonts for a message, the first of many."""
    names = font_names()
    more = len(names) - NAMES_SHOWN
    return joined(names) if more <= 0 else f"{', '.join(names[:NAMES_SHOWN])} and {more} more (see `imgsrv fonts`)"


def unusable_fonts() -> dict[str, str]:
    """Why a font cannot be used for `text`, by the name of each such font."""
    return {name: reason for name, file in _files().items() if (reason := _fault(name, file))}


def typeface(name: str) -> Typeface:
    """The font of this name.  name: one of `font_names`."""
    return _opened(name, _files()[name])


def chain_of(name: str) -> list[Typeface]:
    """The font of this name, and the fonts for what it lacks."""
    return [typeface(one) for one in dict.fromkeys((name, *_FALLBACKS))]


def fonts_with(letters: str) -> list[str]:
    """The names of the fonts that have all these characters."""
    return [name for name in font_names() if all(map(typeface(name).has, letters))]


def font_facts() -> Iterator[dict[str, Any]]:
    """What a list of fonts says of each: names, file, scripts, axes, and its place among the fallbacks, from 1."""
    for name in font_names():
        font = typeface(name)
        yield {
            "name": name,
            "family": font.family,
            "style": font.style,
            "file": font.file.name,
            "scripts": list(font.scripts),
            "axes": list(font.axes),
            "fallback": _FALLBACKS.index(name) + 1 if name in _FALLBACKS else None,
        }


def drawing_fonts() -> list[str]:
    """The font files for an SVG: DRAWING_FONTS and those of the folders given at start."""
    given = {name for folder in _FOLDERS for name in _fonts_in(folder)}
    files = [file for name, file in _files().items() if name in DRAWING_FONTS or name in given]
    return [str(file) for file in files if file.suffix.lower() != ".woff2"]


@cache
def _opened(name: str, file: Path) -> Typeface:
    return Typeface(name, file)


@cache
def _fault(name: str, file: Path) -> str:
    try:
        _opened(name, file)
    except ValueError as error:
        return str(error)
    return ""


@cache
def _files() -> dict[str, Path]:
    found = find_spec("font_source_sans_pro")
    packaged = [Path(folder) / "files" for folder in (found.submodule_search_locations or [] if found else [])]
    return {name: file for folder in (*packaged, *_FOLDERS) for name, file in _fonts_in(folder).items()}


def _fonts_in(folder: Path) -> dict[str, Path]:
    # The package has every font in two formats; the later one in the alphabet, .ttf, is kept.
    return {file.stem: file for file in sorted(folder.iterdir()) if file.suffix.lower() in SUFFIXES}
