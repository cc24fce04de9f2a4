"""Every operation, one function each.  Importing this package fills the registry."""

from imgsrv.imaging.operations import colour, filters, geometry

__all__ = ["colour", "filters", "geometry"]
