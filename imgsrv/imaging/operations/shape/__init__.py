"""Operations that change size and shape."""

CATEGORY = "size and shape"

FIRST = ("resize", "crop")
"""Modules that stand first in the catalogue: most people come for these."""
