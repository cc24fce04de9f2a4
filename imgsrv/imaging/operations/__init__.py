"""Every operation, one function each.  Importing this package fills the registry, in the order of the catalogue."""

from imgsrv.imaging.operations import geometry  # isort: skip  what most people come for stands first
from imgsrv.imaging.operations import colour, filters

__all__ = ["colour", "filters", "geometry"]
