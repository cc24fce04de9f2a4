"""The worst of each pattern and each reader for 100 KB: how the package uses a pattern, and what is measured."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from attacks import Attack, Found, TooSlow, attacks_on, cpu_s, filled, patterns
from readers import Reader, outcome
from readers import attacks_on as attacks_on_reader
from readers import filled as filled_bytes

LIMIT_S = 1.0
"""Of processor time for 100 KB.  The slowest takes a twentieth of it; one that is quadratic takes 10 s and more."""

METHODS: dict[str, tuple[str, tuple[Attack, ...]]] = {
    "cli.main:findall": ("findall", ()),
    "bulk.places:URL": ("match", (("", "a", ""), ("", "a:", ""))),
    "cli._numbers:DIGITS": ("fullmatch", ()),
    "cli.access.sign:FOR": ("fullmatch", ()),
    "cli.access.sign:TARGET": ("fullmatch", (("http://", "a", " "), ("/", "a", " "))),
    "cli.listing.operations:split": ("split", ()),
    "environment:NAME": ("fullmatch", ()),
    "foreign_advice:_LISTED": ("fullmatch", (("", "a", "!"), ("", "aa,", "!"))),
    "foreign_advice:_OF_IMGPROXY": ("search", (("", "/", ""), ("", "/plain", ""), ("", "/resize", ""))),
    "foreign_words:BYTES": ("fullmatch", (("", "1", "!"), ("1.", "1", "!"))),
    "foreign_words:UNITS": ("fullmatch", (("", "1", "!"), ("1.", "1", "!"))),
    "foreign_words:_JOINTS": ("sub", (("", "-", ""),)),
    "foreign_words:_SHARE": ("fullmatch", ()),
    "imaging.model.validation:PER_CENT": ("fullmatch", (("", "1", "!"), ("1.", "1", "!"))),
    "installed:NAMED": ("search", (("", "the extra `", ""), ("the extra `", "a", ""), ("", "the extra `a", ""))),
    "imaging.codecs.foreign:_BASE64": ("fullmatch", (("", "A", "!"), ("", "\n", "!"))),
    "imaging.codecs.foreign:_DATA": ("fullmatch", ()),
    "imaging.codecs.foreign:_FILE_NAME": ("fullmatch", (("", "a", "!"), ("a=@", "a.jpg", "!"), ("", ".jpg", "!"))),
    "imaging.codecs.foreign:_FORM": ("fullmatch", (("", "a", "!"), ("a=", "a", " !"))),
    "imaging.codecs.foreign:_HEX": ("fullmatch", (("", "a", "!"), ("", " ", "!"), ("0x", "a:", "!"))),
    "imaging.codecs.foreign:_JSON": ("fullmatch", (("[", " ", "!"), ("{", " ", "!"))),
    "imaging.codecs.foreign:_URL": ("fullmatch", (("http://a", "a", " !"), ("http://a", " ", "!"))),
    "imaging.codecs.foreign:_URL_SAFE": ("fullmatch", (("", "A", "!"), ("", "-", "!"))),
    "errors:words": ("sub", (("", "A", ""), ("", "a", ""))),
    "imaging.formats.gain_maps.xmp_terms:_RDF_END": (
        "finditer",
        (("", "</", ""), ("", "</" + "a" * 40, ""), ("", "</RDF" + " " * 10, "")),
    ),
    "imaging.formats.jpeg_parts.scans:_FILL": ("match", ()),
    "imaging.formats.jpeg_parts.scans:_MARKER": ("search", (("", "\xff", ""), ("", "\xff\0", ""))),
    "imaging.formats.jpeg_parts.scans:_SCAN_HEADER": ("findall", (("", "\xff", ""), ("", "\xff\xda\0", ""))),
    "imaging.formats.jpeg_parts.scans:_RESTART": ("findall", (("", "\xff", ""), ("", "\xff\xd0", ""))),
    "imaging.apart.decoders.plain.pnm:COMMENT": ("sub", (("", "#", ""), ("", "#\n", ""))),
    "imaging.formats.read_only.hdr:SIZE": ("match", (("-Y ", " ", "1"), ("-Y 1", " ", "+"))),
    "imaging.formats.read_only.pnm:TOKEN": ("match", (("", "#", ""), ("", "#\n", ""), ("", " ", "!"))),
    "imaging.formats.svg.lengths:LENGTH": ("fullmatch", (("", "1", "!"), ("1e", "1", "!"), ("1", " ", "!"))),
    "imaging.formats.svg.source:DECLARED": ("match", (("<?xml ", "encoding", ""), ("<?xml ", " ", "encoding="))),
    "imaging.formats.svg.source:TAG": ("match", (("<", "a", ""), ("<", "a:", ""))),
    "imaging.formats.svg.styles:FONTS": ("sub", ((" font:", " ", ""), ("", " font:", ""), ("", " font ", ":"))),
    "imaging.formats.svg.styles:FUNCTION": ("findall", (("scale(", "1", ""), ("", "scale(1", ""))),
    "imaging.formats.svg.styles:NUMBER": ("sub", (("", "1", ""), ("", "1e", ""), ("", "-", ""))),
    "imaging.metadata.summary:_TAG": ("sub", (("", "<", ""), ("<", "a", ""))),
    "imaging.model.parameter_types:ASPECT": ("fullmatch", ()),
    "imaging.model.parameter_types:TARGET": ("fullmatch", ()),
    "imaging.model.parameter_types:pattern": ("match", ()),
    "imaging.operations.overlay.covers:pattern": ("match", ()),
    "allowed_places:BUCKET": ("fullmatch", (("s3://a", "/", " "),)),
    "allowed_places:PREFIX": ("fullmatch", (("https://", "a.", "!"), ("https://[", ":", ""))),
    "web.sources.naming:NAMED": (
        "finditer",
        (("", "source.", ""), ("", "&source", ""), ("", "source=&", ""), ("source.", "a", "")),
    ),
    "web.sources.naming:UNPRINTABLE": ("search", ()),
    "web.sources.naming:USER": ("sub", (("//", "a", ""), ("", "//@", ""))),
    "web.sources.remote:LENGTH": ("fullmatch", ()),
    "web.sources.opened:PLAIN": ("fullmatch", ()),
    "web.sources.uploads.bucket:NUMBER": ("fullmatch", ()),
    "web.sources.uploads.ids:ID": ("fullmatch", ()),
    "web.sources.urls:NUMERIC": ("search", (("", "0x", ""), ("", ".0", "!"), ("0x", "0", "!"))),
    "web.sources.urls:URL": ("fullmatch", (("http://", "a.", "!"), ("http://a/", "%", " "), ("http://[", ":", ""))),
    "web.sources.urls:split": ("findall", (("", "/", ""),)),
    "jobs.variants:SAFE_NAME": ("fullmatch", ()),
    "loadtest.conversation:CONTENT_LENGTH": ("search", ()),
    "loadtest.conversation:CHUNKED": ("search", ()),
    "loadtest.conversation:RETRY_AFTER": ("search", ()),
    "loadtest.conversation:CLOSES": ("search", ()),
    "loadtest.conversation:WORKED_MS": ("findall", ()),
    "observe.log.rotation:ROTATED_NAME": ("fullmatch", ()),
    "pool.control.operator:WISH": ("fullmatch", ()),
    "reference.batch:pattern": ("match", ()),
    "cli.shell.manual:split": ("split", ()),
    "cli.shell.manual:split-2": ("split", ()),
    "settings_checks:fullmatch": ("fullmatch", (("", "1", "x"),)),
    "settings_checks:PASSWORD": ("sub", (("", "://", ""), ("://a:", "b", ""), ("", "://a:", ""))),
    "settings_rows:SIZE": ("fullmatch", (("", " ", "x"), ("", "1", "x"), ("1", " ", "x"))),
    "settings:pattern": ("match", ()),
    "settings:pattern-2": ("match", ()),
    "settings:pattern-3": ("match", ()),
    "settings:pattern-4": ("match", ()),
    "settings:pattern-5": ("match", ()),
    "pool.worker.hooks:finditer": ("findall", ()),
    "printable:_ALL": ("findall", ()),
    "printable:_ALL_BUT_LAYOUT": ("findall", ()),
    "shortages:ALLOCATION_FAILED": ("search", ()),
    "web.access.access:MAX_AGE": ("sub", ()),
    "web.access.keys:HEX": ("fullmatch", ()),
    "web.access.keys:NAME": ("fullmatch", ()),
    "web.access.keys:TOKEN": ("fullmatch", ()),
    "web.access.presets:NAME": ("fullmatch", ()),
    "web.access.rates:PATTERN": ("fullmatch", ()),
    "web.access.signatures:EXPIRES": ("fullmatch", ()),
    "web.access.signatures:NAME": ("fullmatch", ()),
    "web.access.signatures:SIGNATURE": ("fullmatch", ()),
    "web.cache.entry:MEDIA_TYPE": ("fullmatch", (("a/a; ", "a", "!"), ("a/", "a", "!"))),
    "web.cache.validity:DIRECTIVE": ("match", (("", "a", "!"), ("", " ", "!"), ('a="', "a", ""), ("a=", "a", "!"))),
    "web.cache.validity:ETAG": ("match", (('"', "a", ""), ("", " ", "!"))),
    "web.cache.validity:NUMBER": ("fullmatch", ()),
    "web.http.protocol:HOST": ("fullmatch", ()),
    "web.http.proxy_headers:PORT": ("fullmatch", ()),
    "web.problems:REQUEST_ID": ("fullmatch", ()),
}
"""How the package uses each pattern, and attacks beside those that are made of the pattern.

A `pattern` of a setting or a parameter runs in pydantic, whose engine is linear; here Python's stands for it.
"""


TRUSTED = {
    *("reference.readme:BEGIN", "reference.readme:SECTION"),
    *("web.cache.key:DEVELOPMENT", "web.cache.key:NAME"),
    *(f"web.sources.uploads.folder:{name}" for name in ("FILE", "TAG", "UNFINISHED")),
    *("web.cache.eviction:FOLDER", "web.cache.eviction:ENTRY", "web.cache.eviction:UNFINISHED"),
}
"""Patterns that read the project's own documents, the metadata of its package, and names of at most 255 bytes."""

FOUND = [found for found in patterns() if found.name not in TRUSTED]


def use(found: Found, text: str) -> object:
    """The pattern on the text, as the package uses it."""
    pattern: re.Pattern[Any] = found.pattern
    method = METHODS[found.name][0]
    given = text if isinstance(pattern.pattern, str) else text.encode("latin-1", "replace")
    call = getattr(pattern, method)
    return call(given[:0], given) if method == "sub" else call(given)


def worst_of_pattern(found: Found) -> tuple[float, str]:
    """The longest processor time of an attack, and the attack."""
    attacks = (*METHODS[found.name][1], *attacks_on(found.pattern))
    return max(
        (_timed(partial(use, found, filled(attack)), attack), _shown(attack)) for attack in attacks or [("", "a", "")]
    )


def worst_of_reader(reader: Reader) -> tuple[float, str]:
    """The longest processor time of an attack, and the attack."""
    return max(
        (_timed(partial(outcome, reader, filled_bytes(attack)), attack), _shown(attack))
        for attack in attacks_on_reader(reader)
    )


def _timed(call: Callable[[], object], attack: tuple[Any, ...]) -> float:
    try:
        return cpu_s(call, LIMIT_S)
    except TooSlow as error:
        raise AssertionError(f"more than {LIMIT_S} s for {_shown(attack)}") from error


def _shown(attack: tuple[Any, ...]) -> str:
    before, pump, behind = (part if isinstance(part, str) else part.decode("latin-1") for part in attack)
    return f"{before[-30:]!a} {pump[:30]!a} … {behind[:15]!a}"
