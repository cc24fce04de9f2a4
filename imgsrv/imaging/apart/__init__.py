"""Codecs in a confined process of their own: those that keep the interpreter's lock, and those with a dangerous past.

`helper.py` is the process, `tasks.py` what it does, `confine.py` what it gives up first.  `process.py` is one helper as
its caller sees it, `pool.py` keeps those that are idle, `pictures.py` has pictures read and written there.
"""
