"""Fonts by name: those of an installed package, and those of a folder that was given at start."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import ImageFont

from imgsrv.errors import BadSetting

BUILT_IN = "SourceSansPro-Regular"
"""Latin, Greek and Cyrillic, from the package font-source-sans-pro, which brings further weights and an italic."""

SUFFIXES = (".ttf", ".otf", ".ttc", ".woff2")

DRAWING_FONTS = (BUILT_IN, "SourceSansPro-It", "SourceSansPro-Bold", "SourceSansPro-BoldIt")
"""Fonts for the text in an SVG; reading all weights would take 15 ms."""

_FOLDERS: list[Path] = []


def use_fonts(folder: Path) -> None:
    """Make every font file of the folder usable by its name without suffix.  Raises BadSetting."""
    try:
        found = _fonts_in(folder)
    except OSError as error:
        raise BadSetting(f"--font-dir={folder}", f"it cannot be read ({error.strerror}); name a folder") from error
    if not found:
        raise BadSetting(f"--font-dir={folder}", f"it holds no font; fonts end with {', '.join(SUFFIXES)}")
    for file in found.values():
        try:
            ImageFont.truetype(file, 10)
        except OSError as error:
            raise BadSetting(f"--font-dir={folder}", f"{file.name} is no font: {error}") from error
    _FOLDERS.append(folder)
    _files.cache_clear()


def font_names() -> list[str]:
    """The names that the parameter `font` can have."""
    return list(_files())


def load_font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """The font at a size in pixels.  name: one of `font_names`."""
    return ImageFont.truetype(_files()[name], size)


def drawing_fonts() -> list[str]:
    """The font files for an SVG: DRAWING_FONTS and those of the folders given at start."""
    given = {name for folder in _FOLDERS for name in _fonts_in(folder)}
    files = [file for name, file in _files().items() if name in DRAWING_FONTS or name in given]
    return [str(file) for file in files if file.suffix.lower() != ".woff2"]


@cache
def _files() -> dict[str, Path]:
    found = find_spec("font_source_sans_pro")
    packaged = [Path(folder) / "files" for folder in (found.submodule_search_locations or [] if found else [])]
    return {name: file for folder in (*packaged, *_FOLDERS) for name, file in _fonts_in(folder).items()}


def _fonts_in(folder: Path) -> dict[str, Path]:
    # The package has every font in two formats; the later one in the alphabet, .ttf, is kept.
    return {file.stem: file for file in sorted(folder.iterdir()) if file.suffix.lower() in SUFFIXES}
