"""Every operation, one function each.  Importing this package fills OPERATIONS, in the order of the catalogue.

Whoever reads OPERATIONS takes it from here, so that nobody sees it empty.
"""

from imgsrv.imaging.operations import resizing, cropping, geometry  # isort: skip  what most people come for stands first
from imgsrv.imaging.operations import colour, covers, filters, lettering, lut, overlay, tones
from imgsrv.imaging.registry import OPERATIONS

__all__ = [
    "OPERATIONS",
    "colour",
    "covers",
    "cropping",
    "filters",
    "geometry",
    "lettering",
    "lut",
    "overlay",
    "resizing",
    "tones",
]
