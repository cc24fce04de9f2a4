"""Every picture format, one file each.

A module of this folder, or of `read_only`, that has a FORMAT is one; the file is found by itself, and nothing else has
to name it.  KNOWN
has every format, FORMATS those whose codec is installed, WRITTEN those that a result can be in.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules

from imgsrv.imaging.formats import read_only
from imgsrv.imaging.formats.format import Format


def _found() -> Iterator[Format]:
    for package, path in ((__name__, __path__), (read_only.__name__, read_only.__path__)):
        for module in iter_modules(path):
            form = getattr(import_module(f"{package}.{module.name}"), "FORMAT", None)
            if isinstance(form, Format):
                yield form


KNOWN: dict[str, Format] = {form.name: form for form in sorted(_found(), key=lambda form: (form.position, form.name))}

FORMATS = {name: form for name, form in KNOWN.items() if not form.wheel or find_spec(form.wheel)}

WRITTEN = {
    name: form for name, form in FORMATS.items() if form.is_written and (not form.writer or find_spec(form.writer))
}

FALLBACK = next(name for name, form in WRITTEN.items() if form.is_fallback)
"""The format that holds every picture."""

SUFFIXES = {suffix: name for name, form in FORMATS.items() for suffix in form.suffixes}

KNOWN_SUFFIXES = {suffix: name for name, form in KNOWN.items() for suffix in form.suffixes}
"""Also those of formats whose extra is not installed."""


def written_as(name: str) -> str:
    """The format of the result if none is asked for: that of the input, or pixels of a drawing."""
    return name if name in WRITTEN else FALLBACK
