"""EXIF, XMP and IPTC."""
