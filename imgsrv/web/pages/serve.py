"""Serve the files of the pages: read once before the fork, compressed when first asked for, and kept by browsers.

One digest of all files stands in the path of each, `/pages/DIGEST/playground/main.js`.  So a script imports another
one by a relative path, a browser keeps every file for as long as it likes, and a new version has new paths.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from falcon.asgi import Request, Response

from imgsrv.errors import UnknownRoute
from imgsrv.web.accept import prefers
from imgsrv.web.routes.document import Document, JsonPage

FOLDER = Path(__file__).parent

PREFIX = "/pages/"
"""What the path of every file begins with; these files need no key."""

PATH = PREFIX + "{digest}/{name:path}"

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".gif": "image/gif",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
}
"""The files that are served, and as what; no other file of the folder is."""

POLICY = "; ".join(
    (
        "default-src 'none'",
        *("script-src 'self'", "style-src 'self'", "img-src 'self' blob: data:", "connect-src 'self'"),
        *("form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"),
    )
)
"""Content-Security-Policy: no inline script or style, and nothing of another origin."""

HEADERS = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}

ALONE = {"Cross-Origin-Opener-Policy": "same-origin"}
"""Of a page.  Browsers look for it on documents only, and on the forty files of a page it would be 2 KB."""

KEPT = {"Cache-Control": "public, max-age=31536000, immutable"}
ASKED = {"Cache-Control": "no-cache"}
"""A browser keeps these too, and asks each time whether they have changed."""

FILES = "{files}"
"""Stands in an HTML file for the folder of all files, without a slash at either end."""


class Files:
    """The files of the pages, as routes serve them, by their path below the folder."""

    def __init__(self, folder: Path = FOLDER) -> None:
        found = {str(file.relative_to(folder)): file for file in sorted(folder.rglob("*")) if file.suffix in TYPES}
        self._contents = {name: file.read_bytes() for name, file in found.items()}
        digest = hashlib.sha256()
        for name, content in self._contents.items():
            digest.update(f"{name} {len(content)} ".encode() + content)
        self.digest = digest.hexdigest()[:16]
        self._kept = {name: Document(content, _type(name), HEADERS | KEPT) for name, content in self._contents.items()}

    def page(self, name: str) -> Document:
        """An HTML file as a page at any path at the top, with the folder of its files filled in.

        A page asks for its files and for the server by relative paths, so that a proxy may serve it below a path.
        """
        html = self._contents[name].replace(FILES.encode(), f"{PREFIX.strip('/')}/{self.digest}".encode())
        return Document(html, TYPES[".html"], HEADERS | ALONE | ASKED)

    async def on_get(self, req: Request, resp: Response, digest: str, name: str) -> None:
        """Answer with one file.  Raises UnknownRoute.

        During a reload, a page of the other version may ask this one: it gets the file, and does not keep it.
        """
        file = self._kept.get(name)
        if file is None or name.endswith(".html"):
            raise UnknownRoute(req.path)
        await file.on_get(req, resp)
        if digest != self.digest:
            resp.set_header("Cache-Control", "no-store")

    on_head = on_get


class Home:
    """`GET /`: the page for a browser, and the document for every other client."""

    def __init__(self, document: JsonPage, page: Document) -> None:
        self._document, self._page = document, page

    async def on_get(self, req: Request, resp: Response) -> None:
        """Answer with what the client prefers."""
        await (self._page if wants_page(req) else self._document).on_get(req, resp)
        resp.set_header("Vary", "Accept, Accept-Encoding")

    on_head = on_get


def wants_page(req: Request) -> bool:
    """True for a browser: HTML is named in its Accept header, before JSON."""
    return prefers(req.get_header("Accept") or "*/*", "text/html", "application/json")


def _type(name: str) -> str:
    return TYPES[Path(name).suffix]
