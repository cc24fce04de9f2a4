"""The key of a result: everything that the bytes of the result follow from, as one digest.

Two requests with the same key get the same bytes, however they were worded.  So an entry never becomes wrong: a changed
picture, another step, or another version of the code has another key, and what nobody asks for any more is evicted.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import imgsrv
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.formats import WRITTEN
from imgsrv.imaging.pipelines.pipeline import Pipeline
from imgsrv.web.accept import quality_of

DEVELOPMENT = re.compile(r"extra == ['\"](dev|docs)['\"]")
"""The marker of a requirement that no result follows from."""

NAME = re.compile(r"[\w.-]+")

KEPT_HEADERS = 256
"""Size of the cache of Accept headers; browsers send a few dozen different ones."""


def result_key(code: str, sources: Mapping[str, str], pipeline: Pipeline, output: Output, accept: str | None) -> bytes:
    """The key of a result.

    code: of `code_version`.  sources: the identity of the picture and of each further part, by the parts' names.
    accept: the Accept header; it counts for `format=auto` alone.
    """
    return key_of(code, sources, asked_text(pipeline, output, accept))


def asked_text(pipeline: Pipeline, output: Output, accept: str | None = None) -> str:
    """What a request asks for, as the key has it: the same for every picture, and dearer to make than the rest."""
    accepted = accepted_formats(accept or "*/*") if output.format == "auto" else ()
    parts = [str(pipeline), sorted(output.model_dump(mode="json", exclude_defaults=True).items()), accepted]
    return json.dumps(parts, separators=(",", ":"))


def key_of(code: str, sources: Mapping[str, str], asked: str) -> bytes:
    """The key of a result.  code, sources: see `result_key`.  asked: of `asked_text`."""
    begin = json.dumps([code, sorted(sources.items())], separators=(",", ":"))
    return hashlib.sha256(f"{begin[:-1]},{asked[1:]}".encode()).digest()


def etag_of(key: bytes) -> str:
    """The strong validator of a result, with its quotation marks.

    It follows from the key and not from the bytes, so that it is known before anything is computed.
    """
    return f'"{hashlib.sha256(b"etag" + key).hexdigest()[:32]}"'


@lru_cache(maxsize=KEPT_HEADERS)
def accepted_formats(accept: str) -> tuple[tuple[str, tuple[float, float]], ...]:
    """What the header decides of `format=auto`: the q of each format that can be written, if it is not 0."""
    found = ((name, quality_of(accept, row.media_type)) for name, row in WRITTEN.items())
    return tuple((name, quality) for name, quality in found if quality != (0.0, 0.0))


def code_version(fonts: str = "") -> str:
    """A digest of the code that makes results: this package's modules, and the versions of what it depends on.

    fonts: the folder of further fonts, whose files count too; empty for none.
    """
    digest = hashlib.sha256(imgsrv.__version__.encode())
    for name in sorted(_dependencies()):
        digest.update(f"{name} {_version(name)}\n".encode())
    imaging = Path(imgsrv.__file__).parent / "imaging"
    for file in sorted([*imaging.rglob("*.py"), *imaging.rglob("*.json"), *_files(fonts)]):
        digest.update(f"{file.name}\n".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _files(folder: str) -> list[Path]:
    return [file for file in Path(folder).iterdir() if file.is_file()] if folder else []


def _dependencies() -> set[str]:
    try:
        lines = metadata.requires("imgsrv") or []
    except metadata.PackageNotFoundError:
        # Run from its sources without being installed: the modules count, and the versions do not.
        return set()
    return {found[0] for line in lines if not DEVELOPMENT.search(line) and (found := NAME.match(line))}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "-"
