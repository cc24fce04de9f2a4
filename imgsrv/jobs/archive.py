"""Archives: several results in one answer, as a MIME message, a form, a ZIP file or a JSON document."""

from __future__ import annotations

import binascii
import io
import json
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from imgsrv.imaging.model.limits import Size

BASE64_BYTES = 4 / 3
"""Bytes of Base64 for each byte; JSON archives are so much larger."""

PIECE = 3 << 16
"""Bytes that become Base64 in one step; a multiple of three needs no padding."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The entry of one result.  name: matches SAFE_NAME, so it needs no escapes."""

    name: str
    suffix: str
    media_type: str
    size: Size

    @property
    def file_name(self) -> str:
        """The name of the unpacked file."""
        return f"{self.name}{self.suffix}"


class Archive(Protocol):
    """Takes the results one after another."""

    media_type: str

    def add(self, entry: Entry, data: memoryview) -> None:
        """Append one result."""
        ...

    def finish(self) -> memoryview:
        """The bytes of the whole archive."""
        ...


class Multipart:
    """`multipart/mixed` (RFC 2046): readable as a stream, each part with the headers of a picture's own answer."""

    kind = "mixed"
    disposition = "attachment"

    def __init__(self) -> None:
        # No picture contains these 128 random bits.
        self._boundary = os.urandom(16).hex()
        self.media_type = f"multipart/{self.kind}; boundary={self._boundary}"
        self._file = io.BytesIO()

    def add(self, entry: Entry, data: memoryview) -> None:
        """Append one result."""
        head = (
            f"--{self._boundary}\r\nContent-Type: {entry.media_type}\r\n"
            f'Content-Disposition: {self.disposition}; name="{entry.name}"; filename="{entry.file_name}"\r\n'
            f"Content-Length: {len(data)}\r\nImage-Width: {entry.size[0]}\r\nImage-Height: {entry.size[1]}\r\n\r\n"
        )
        self._file.write(head.encode())
        self._file.write(data)
        self._file.write(b"\r\n")

    def finish(self) -> memoryview:
        """The bytes of the whole archive."""
        self._file.write(f"--{self._boundary}--\r\n".encode())
        return self._file.getbuffer()


class Zip:
    """A ZIP file.  Its members are stored without compression: pictures are compressed already."""

    media_type = "application/zip"

    def __init__(self) -> None:
        self._file = io.BytesIO()

    def add(self, entry: Entry, data: memoryview) -> None:
        """Append one result."""
        # Without a date the same batch gives the same bytes.
        member = zipfile.ZipInfo(entry.file_name)
        member.external_attr = 0o644 << 16
        # Opened for each result: a file that stays open would have to be closed even if its batch failed.
        with zipfile.ZipFile(self._file, "a", zipfile.ZIP_STORED) as opened:
            opened.writestr(member, data)

    def finish(self) -> memoryview:
        """The bytes of the whole archive."""
        return self._file.getbuffer()


class Form(Multipart):
    """`multipart/form-data` (RFC 7578), which `Response.formData()` of browsers reads: a file for each result."""

    kind = "form-data"
    disposition = "form-data"


class Json:
    """A JSON document with each result in Base64, and the attribute `srcset` for sizes of one picture.

    It is written as it grows, so that no result is held twice in text.
    """

    media_type = "application/json"

    def __init__(self) -> None:
        self._file = io.BytesIO()
        self._file.write(b'{"outputs": [')
        self._entries: list[Entry] = []

    def add(self, entry: Entry, data: memoryview) -> None:
        """Append one result."""
        facts = {
            "name": entry.name,
            "file": entry.file_name,
            "type": entry.media_type,
            "width": entry.size[0],
            "height": entry.size[1],
            "bytes": len(data),
            **({"text": str(data, "utf-8")} if entry.media_type.startswith("text/") else {}),
        }
        self._file.write(b", " if self._entries else b"")
        self._file.write(json.dumps(facts)[:-1].encode() + b', "data": "')
        for start in range(0, len(data), PIECE):
            self._file.write(binascii.b2a_base64(data[start : start + PIECE], newline=False))
        self._file.write(b'"}')
        self._entries.append(entry)

    def finish(self) -> memoryview:
        """The bytes of the whole document."""
        self._file.write(f'], "srcset": {json.dumps(srcset(self._entries))}}}\n'.encode())
        return self._file.getbuffer()


def srcset(entries: Sequence[Entry]) -> str | None:
    """The value of the attribute `srcset`, with names of files as URLs: `320.webp 320w, 640.webp 640w`.

    None unless all entries are pictures of one type and one shape, in different widths (HTML, section 4.8.4.2.1).
    """
    widths = {entry.size[0] for entry in entries}
    largest = max(entries, key=lambda entry: entry.size[0]).size
    # A side is rounded to whole pixels.
    is_one = all(abs(entry.size[1] - entry.size[0] * largest[1] / largest[0]) <= 1 for entry in entries)
    if len(widths) < len(entries) or len({entry.media_type for entry in entries}) > 1 or not is_one:
        return None
    if not entries[0].media_type.startswith("image/"):
        return None
    return ", ".join(f"{entry.file_name} {entry.size[0]}w" for entry in entries)


ARCHIVES: dict[str, type[Multipart | Zip | Json]] = {"multipart": Multipart, "zip": Zip, "json": Json, "form": Form}

MEDIA_TYPES = {
    "multipart": "multipart/mixed",
    "zip": "application/zip",
    "json": "application/json",
    "form": "multipart/form-data",
}
"""What an Accept header names each of ARCHIVES; the first is the one for clients that name none."""
