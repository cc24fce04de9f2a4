"""The master, its slots and workers, their sockets and the exchange between them.

The only place with `fork`, signals and `kill`.  What a worker serves and computes is handed in from outside.
"""
