"""SVG: a drawing is parsed and written anew, without anything that refers to a file or an address, and then drawn.

`source.py` makes one text of what may come in several encodings, `safe_drawing.py` writes it anew, and `file.py` has
resvg draw it in a separate process that can open nothing.
"""

from imgsrv.imaging.formats.svg.file import FORMAT

__all__ = ["FORMAT"]
