"""Files of boxes: their structure, the bitstreams in them, and AVIF and HEIC as Pillow opens them."""
