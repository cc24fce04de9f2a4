"""Hooks of `mkdocs build`: they make one site of docs/ and of the documents at the root of the repository.

A link in the documents is written for a code host, relative to the file.  Here it becomes a link of the site, and the
file that it leads to, such as deploy/nginx.conf, becomes a part of the site.
"""

from __future__ import annotations

import logging
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File, Files

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]

AT_ROOT = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
"""The documents at the root, with their names on the site."""

LINK = re.compile(r"(?P<text>!?\[[^\]]*\])\((?P<path>[^)#\s:]+)(?P<anchor>#[^)\s]*)?\)")

REFERENCE = "library-reference.md"
"""A page that is made of the docstrings of the library's names, by mkdocstrings."""

NAMES = (
    "imgsrv.library.process",
    "imgsrv.library.describe",
    "imgsrv.imaging.model.picture_facts.PictureFacts",
    "imgsrv.imaging.pipelines.pipeline.Pipeline",
    "imgsrv.imaging.codecs.output.Output",
    "imgsrv.imaging.model.limits.Limits",
    "imgsrv.errors",
)

ELSEWHERE = re.compile(r"""<(?:script|img|iframe)[^>]*\ssrc=["']?(?:https?:)?//|<link[^>]*\shref=["']?(?:https?:)?//""")
"""What a browser loads from another host."""

log = logging.getLogger("mkdocs.hooks")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the documents at the root, and every file that a document links to."""
    waiting = [*AT_ROOT, *(f"docs/{file.src_uri}" for file in files.documentation_pages())]
    seen = set(waiting)
    while waiting:
        source = waiting.pop()
        if files.get_file_from_path(_on_site(source)) is None:
            files.append(File.generated(config, _on_site(source), abs_src_path=str(ROOT / source)))
        found = _linked(source) if source.endswith(".md") else ()
        new = [path for path in found if path not in seen and (ROOT / path).is_file()]
        seen.update(new)
        waiting += new
    sections = [f"::: {name}\n" for name in NAMES]
    text = "\n".join(["# Library reference\n", "[The library](docs/library.md) has examples.\n", *sections])
    files.append(File.generated(config, REFERENCE, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """The page with the links of the site.  A link to a folder becomes text: the site has no page for it."""
    here = page.file.src_uri
    source = _source(here)

    def on_site(match: re.Match[str]) -> str:
        target = _target(source, match["path"])
        if (ROOT / target).is_dir():
            return match["text"].strip("[]")
        path = posixpath.relpath(_on_site(target), posixpath.dirname(here) or ".")
        return f"{match['text']}({path}{match['anchor'] or ''})"

    return LINK.sub(on_site, markdown)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:  # noqa: ARG001
    """Warn, and so fail a strict build, where a page would load something from another host."""
    if found := ELSEWHERE.search(output):
        log.warning("%s loads something from another host: %s", page.file.src_uri, found[0])
    return output


def _linked(source: str) -> Iterator[str]:
    for match in LINK.finditer((ROOT / source).read_text(encoding="utf-8")):
        yield _target(source, match["path"])


def _target(source: str, path: str) -> str:
    """A link's target, relative to the root of the repository."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), path))


def _on_site(path: str) -> str:
    return AT_ROOT.get(path, path.removeprefix("docs/"))


def _source(uri: str) -> str:
    """The file of the repository that a page of the site is made of."""
    for path, name in AT_ROOT.items():
        if uri == name:
            return path
    if uri == REFERENCE:
        return uri
    return f"docs/{uri}" if (ROOT / "docs" / uri).exists() else uri
