"""Find the parts of a multipart/form-data body in place, without a copy."""

from __future__ import annotations

import mmap
from collections.abc import Collection, Mapping
from typing import Any, cast

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from imgsrv.errors import BadMultipart, EmptyBody, joined

FILE_PART = "file"

MAX_PARTS = 16
"""More parts than any pipeline needs; millions of them would keep the parser busy for many seconds."""

LONGEST_TYPE, LONGEST_BOUNDARY = 1024, 256
"""Characters of a Content-Type, and of its boundary; RFC 2046 allows a boundary 70."""

PARSER_FAULTS = (FormParserError, ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""What the parser raises, or might raise, for a broken body."""


class BodyText(mmap.mmap):
    """A mapping that can be searched like bytes, so that the parser's positions are those in the file."""

    def startswith(self, prefix: bytes, start: int, end: int) -> bool:
        """True if `prefix` is at `start` and before `end`."""
        return self[start : min(end, start + len(prefix))] == prefix


def find_parts(body: BodyText, content_type: str, fields: Collection[str] = ()) -> dict[str, tuple[int, int]]:
    """(start, size) of every part by its name, the picture's `file` among them.

    fields: names of parts that may be empty.  Raises BadMultipart and EmptyBody.
    """
    boundary, parts = _boundary(content_type), _Parts()
    try:
        MultipartParser(boundary, cast("Any", parts.callbacks())).write(cast("bytes", body))
    except PARSER_FAULTS as error:
        raise BadMultipart(str(error)) from error
    if not parts.is_complete:
        raise BadMultipart("it ends before its closing boundary")
    found = {name: (start, end - start) for name, start, end in parts.found}
    if FILE_PART not in found:
        named = f"its parts are named {joined([repr(name) for name in sorted(found)])}" if found else "it has no parts"
        raise BadMultipart(named)
    if len(found) < len(parts.found):
        twice = next(name for name, _start, _end in parts.found if [one[0] for one in parts.found].count(name) > 1)
        raise BadMultipart(f"it has more than one part named {twice!r}")
    if empty := [name for name, (_start, size) in found.items() if not size and name not in fields]:
        raise EmptyBody if empty == [FILE_PART] else BadMultipart(f"the part {empty[0]!r} is empty")
    return found


def _boundary(content_type: str) -> bytes:
    """The boundary that the Content-Type names.  Raises BadMultipart."""
    if len(content_type) > LONGEST_TYPE:
        raise BadMultipart(f"its Content-Type has {len(content_type)} characters and may have {LONGEST_TYPE}")
    try:
        _kind, options = parse_options_header(content_type)
    except PARSER_FAULTS as error:
        raise BadMultipart(f"its Content-Type is broken: {error}") from error
    boundary = options.get(b"boundary")
    if not boundary:
        raise BadMultipart("its Content-Type has no boundary")
    if len(boundary) > LONGEST_BOUNDARY:
        raise BadMultipart(f"its boundary has {len(boundary)} characters and may have {LONGEST_BOUNDARY}")
    return boundary


class _Parts:
    """Collects the name and place of every part while the parser goes through the body."""

    def __init__(self) -> None:
        self.found: list[tuple[str, int, int]] = []
        self.is_complete = False
        self._header, self._value, self._name = b"", b"", ""
        self._start, self._end = -1, -1

    def callbacks(self) -> Mapping[str, Any]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_part_data": self._data,
            "on_part_end": self._part_end,
            "on_end": self._finish,
        }

    def _begin(self) -> None:
        if len(self.found) == MAX_PARTS:
            raise BadMultipart(f"it has more than {MAX_PARTS} parts")
        self._header, self._value, self._name = b"", b"", ""
        self._start, self._end = -1, -1

    def _field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            _kind, options = parse_options_header(self._value)
            self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._header, self._value = b"", b""

    def _data(self, _data: bytes, start: int, end: int) -> None:
        self._start = start if self._start < 0 else self._start
        self._end = end

    def _part_end(self) -> None:
        self.found.append((self._name, max(self._start, 0), max(self._end, 0)))

    def _finish(self) -> None:
        self.is_complete = True
