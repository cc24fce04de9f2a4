"""EXTRAS: formats whose codecs are wheels of their own, brought by `pip install 'imgsrv[NAME]'`.

A row registers its codec with Pillow.  Whether a wheel is there is found out once, when this module is imported, which
a server does before it forks.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec


def _heif() -> None:
    import pillow_heif  # noqa: PLC0415  an optional wheel

    # An engine owns one core.  Thumbnails and maps of depth are not the picture.
    pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)


def _jxl() -> None:
    from imgsrv.imaging.codecs import jxl  # noqa: PLC0415  an optional wheel

    jxl.register()


def _svg() -> None:
    from imgsrv.imaging.codecs import svg  # noqa: PLC0415  only where its drawer can run

    svg.register()


EXTRAS: dict[str, tuple[str, Callable[[], None]]] = {
    "heif": ("pillow_heif", _heif),
    "jxl": ("pillow_jxl", _jxl),
    "svg": ("resvg", _svg),
}
"""The module that the wheel of an extra brings, and what makes Pillow use it."""


def _installed() -> frozenset[str]:
    found = {name: register for name, (module, register) in EXTRAS.items() if find_spec(module)}
    for register in found.values():
        register()
    return frozenset(found)


INSTALLED = _installed()
"""The extras that are there."""


def how_to_install(extra: str) -> str:
    """What brings it."""
    return f"pip install 'imgsrv[{extra}]'"
