"""Parts of the GIF codec that `imgsrv/imaging/formats/gif.py` joins."""
