"""Every operation, one function each.  Importing this package fills OPERATIONS.

A new operation is one function with `@operation` in a module of one of the four folders; nothing else has to name it.
The folder is its category.  Code that reads OPERATIONS imports it from here, so that it is never empty.
"""

from importlib import import_module
from pkgutil import iter_modules

from imgsrv.imaging.operations.registry import OPERATIONS

__all__ = ["OPERATIONS"]

CATEGORIES = ("shape", "colour", "detail", "overlay")
"""The folders, in the order of the catalogue."""


def _modules(category: str) -> list[str]:
    """Full names of a folder's modules: first those that it lists in FIRST, then the others by name."""
    folder = import_module(f"{__name__}.{category}")
    first: tuple[str, ...] = getattr(folder, "FIRST", ())
    others = sorted({module.name for module in iter_modules(folder.__path__)} - set(first))
    return [f"{folder.__name__}.{name}" for name in (*first, *others)]


def _discover() -> None:
    """Import every module of the folders; operations then stand in the order of folder, module and definition."""
    modules = [name for category in CATEGORIES for name in _modules(category)]
    for name in modules:
        import_module(name)
    # A module can import another one that comes later, and so register it earlier.
    rows = sorted(OPERATIONS.values(), key=lambda row: modules.index(row.run.__module__))
    OPERATIONS.clear()
    OPERATIONS.update({row.name: row for row in rows})


_discover()
