"""Every operation, one function each.  Importing this package fills OPERATIONS, in the order of the catalogue.

Whoever reads OPERATIONS takes it from here, so that nobody sees it empty.
"""

from imgsrv.imaging.operations import resizing, cropping, geometry  # isort: skip  what most people come for stands first
from imgsrv.imaging.operations import (
    cleaning,
    colour,
    covers,
    effects,
    equalizing,
    filters,
    framing,
    kernels,
    lettering,
    lut,
    overlay,
    rounding,
    tones,
)
from imgsrv.imaging.registry import OPERATIONS

__all__ = [
    "OPERATIONS",
    "cleaning",
    "colour",
    "covers",
    "cropping",
    "effects",
    "equalizing",
    "filters",
    "framing",
    "geometry",
    "kernels",
    "lettering",
    "lut",
    "overlay",
    "resizing",
    "rounding",
    "tones",
]
