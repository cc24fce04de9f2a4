"""Parts of the format TIFF: how a file is opened, which decoder reads it, and how one is written."""
