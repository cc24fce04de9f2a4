"""Bitmaps of Windows and OS/2, as they stand in BMP, DIB, ICO and CUR files."""
