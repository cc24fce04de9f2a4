"""imgsrv: POST a picture, get it back processed, on every core of one machine."""

__version__ = "0.1.0"
