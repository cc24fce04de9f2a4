"""The HTTP protocol: connections, heads, bodies, proxy headers.  Knows no route."""
