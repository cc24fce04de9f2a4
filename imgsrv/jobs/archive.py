"""Archives: several results in one answer, as a MIME message or as a ZIP file."""

from __future__ import annotations

import io
import os
import zipfile
from dataclasses import dataclass
from typing import Protocol

from imgsrv.imaging.model.limits import Size


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

    def __init__(self) -> None:
        # No picture contains these 128 random bits.
        self._boundary = os.urandom(16).hex()
        self.media_type = f"multipart/mixed; boundary={self._boundary}"
        self._file = io.BytesIO()

    def add(self, entry: Entry, data: memoryview) -> None:
        """Append one result."""
        head = (
            f"--{self._boundary}\r\nContent-Type: {entry.media_type}\r\n"
            f'Content-Disposition: attachment; name="{entry.name}"; filename="{entry.file_name}"\r\n'
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


ARCHIVES: dict[str, type[Multipart | Zip]] = {"multipart": Multipart, "zip": Zip}
