"""Parts of the JPEG reader: what the header tells, the scans, and files that Pillow does not open."""
