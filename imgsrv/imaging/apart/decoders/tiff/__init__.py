"""TIFF: from the tags of a directory to pixels of 8 or 16 bits.

`reading.py` understands the tags and makes a Layout of them, `codecs.py` decompresses a strip or tile, `samples.py`
makes numbers of its bytes, `colours.py` makes colours of the numbers, and `decoder.py` puts strips and tiles together.
"""
