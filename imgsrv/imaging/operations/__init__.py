"""Every operation, one function each.  Importing this package fills OPERATIONS, in the order of the catalogue.

Whoever reads OPERATIONS takes it from here, so that nobody sees it empty.
"""
# ruff: noqa: I001  the order of the catalogue: what most people come for stands first

from imgsrv.imaging.operations.shape import resize, crop, rotate
from imgsrv.imaging.operations.detail import denoise
from imgsrv.imaging.operations.colour import channel_matrix
from imgsrv.imaging.operations.overlay import covers
from imgsrv.imaging.operations.detail import effects
from imgsrv.imaging.operations.colour import equalize
from imgsrv.imaging.operations.detail import filters
from imgsrv.imaging.operations.shape import pad
from imgsrv.imaging.operations.detail import convolve
from imgsrv.imaging.operations.overlay import text
from imgsrv.imaging.operations.colour import lut
from imgsrv.imaging.operations.overlay import watermark
from imgsrv.imaging.operations.shape import round_corners
from imgsrv.imaging.operations.colour import tones
from imgsrv.imaging.operations.registry import OPERATIONS

__all__ = [
    "OPERATIONS",
    "channel_matrix",
    "convolve",
    "covers",
    "crop",
    "denoise",
    "effects",
    "equalize",
    "filters",
    "lut",
    "pad",
    "resize",
    "rotate",
    "round_corners",
    "text",
    "tones",
    "watermark",
]
