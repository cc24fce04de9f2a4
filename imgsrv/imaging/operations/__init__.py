"""Every operation, one function each.  OPERATIONS is filled when it is first read from this package.

A new operation is one function with `@operation` in a module of one of the four folders; nothing else has to name it.
The folder is its category.  Code that reads OPERATIONS imports it from here, so that it is never empty.
"""

import threading
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from imgsrv.imaging.operations import registry

if TYPE_CHECKING:
    from imgsrv.imaging.operations.registry import OPERATIONS

__all__ = ["OPERATIONS"]

CATEGORIES = ("shape", "colour", "detail", "overlay")
"""The folders, in the order of the catalogue."""

_lock = threading.Lock()


def _modules(category: str) -> list[str]:
    """Full names of a folder's modules: first those that it lists in FIRST, then the others by name."""
    folder = import_module(f"{__name__}.{category}")
    first: tuple[str, ...] = getattr(folder, "FIRST", ())
    others = sorted({module.name for module in iter_modules(folder.__path__)} - set(first))
    return [f"{folder.__name__}.{name}" for name in (*first, *others)]


def _discover() -> dict[str, registry.Operation]:
    """Import every module of the folders; operations then stand in the order of folder, module and definition."""
    modules = [name for category in CATEGORIES for name in _modules(category)]
    for name in modules:
        import_module(name)
    # A module can import another one that comes later, and so register it earlier.
    rows = sorted(registry.OPERATIONS.values(), key=lambda row: modules.index(row.run.__module__))
    registry.OPERATIONS.clear()
    registry.OPERATIONS.update({row.name: row for row in rows})
    return registry.OPERATIONS


if not TYPE_CHECKING:  # a type checker would take any name for one that exists

    def __getattr__(name: str) -> Any:
        """OPERATIONS, when it is first read: a program that only imports imgsrv waits for no operation."""
        if name != "OPERATIONS":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        with _lock:
            if name not in globals():
                globals()[name] = _discover()
        return globals()[name]
