"""How a TIFF is opened: which page is the picture, and whether Pillow or our own decoder reads it."""
