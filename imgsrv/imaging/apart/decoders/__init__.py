"""Decoders that run in a helper, one module each: `prepare` imports what it needs, uses it once, and gives the decoder.

A module here is a row of DECODERS in `imgsrv/imaging/apart/tasks.py`; `decode_apart` of `pictures.py` calls it.  Where
no helpers are kept, the same decoder runs in the caller's process.
"""
