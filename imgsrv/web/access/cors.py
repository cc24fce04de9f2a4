"""CORS: which pages of other origins may read the answers in a browser (the Fetch standard, section 3.3).

Nothing here depends on cookies, so no credentials are allowed; an API key travels in a header, which a preflight asks
for.
"""

from __future__ import annotations

from collections.abc import Sequence

Headers = list[tuple[bytes, bytes]]

EXPOSED = (
    *("Image-Width", "Image-Height", "Image-Broken", "Image-Format-Reason", "Server-Timing", "X-Request-Id"),
    *("ETag", "Age", "Cache-Status"),
    *("Content-Disposition", "Location", "Link", "RateLimit", "RateLimit-Policy", "Retry-After"),
)
"""Headers of an answer that a script may read besides those that it always may."""

ACCEPTED = (
    *("Authorization", "X-API-Key", "Content-Type", "Accept", "If-None-Match", "If-Modified-Since", "Range"),
    *("X-Request-Id", "traceparent", "tracestate", "Cache-Control"),
)
"""Headers of a request that a script may send.  `*` in their place would not include Authorization."""

EMBEDDED = (b"cross-origin-resource-policy", b"cross-origin")
"""Lets `<img>` show an answer in pages that ask for it (`Cross-Origin-Embedder-Policy: require-corp`).

All other pages show it without, so it is not bound to the origins that may read: an `<img>` says no origin.
Source: the Fetch standard, section 3.7, Cross-Origin-Resource-Policy.
"""

METHODS = ("GET", "HEAD", "POST", "DELETE")

ANY = "*"


class Cors:
    """The origins that may read.  origins: as the setting has them; none switches all of this off."""

    def __init__(self, origins: Sequence[str], max_age_s: int) -> None:
        self._any = ANY in origins
        self._origins = frozenset(origin.encode() for origin in origins)
        self._preflight: Headers = [
            (b"access-control-allow-methods", ", ".join(METHODS).encode()),
            (b"access-control-allow-headers", ", ".join(ACCEPTED).encode()),
            (b"access-control-max-age", str(max_age_s).encode()),
        ]
        self._exposed = (b"access-control-expose-headers", ", ".join(EXPOSED).encode())

    def __bool__(self) -> bool:
        return bool(self._origins)

    def headers(self, origin: bytes | None) -> Headers:
        """The headers of every answer, errors included.  origin: of the page that asks; None if no browser says one."""
        if not self._origins:
            return []
        if self._any:
            return [(b"access-control-allow-origin", b"*"), self._exposed, EMBEDDED]
        # An answer that depends on the origin must not be given to another one by a cache.
        vary = (b"vary", b"Origin")
        if origin is None or origin not in self._origins:
            return [vary, EMBEDDED]
        return [(b"access-control-allow-origin", origin), self._exposed, vary, EMBEDDED]

    def answering(self, request: Headers) -> Headers:
        """The headers of the answer to a request with these headers."""
        return self.headers(next((value for name, value in request if name == b"origin"), None))

    def preflight(self, origin: bytes | None) -> Headers:
        """The headers that an answer to a preflight has besides; none for an origin that is not allowed."""
        return self._preflight if self._any or origin in self._origins else []
