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
    """What an archive says of one result.  name: safe to be written as it is."""

    name: str
    suffix: str
    media_type: str
    size: Size

    @property
    def file_name(self) -> str:
        """Where it is unpacked to."""
        return f"{self.name}{self.suffix}"


class Archive(Protocol):
    """Takes results one after another."""

    media_type: str

    def add(self, entry: Entry, data: memoryview) -> None:
        """Append one."""
        ...

    def finish(self) -> memoryview:
        """All of it."""
        ...


class Multipart:
    """`multipart/mixed` (RFC 2046): readable as it comes, each part with the headers of a picture's own answer."""

    def __init__(self) -> None:
        # 128 random bits stand in no picture.
        self._boundary = os.urandom(16).hex()
        self.media_type = f"multipart/mixed; boundary={self._boundary}"
        self._file = io.BytesIO()

    def add(self, entry: Entry, data: memoryview) -> None:
        """Append one."""
        head = (
            f"--{self._boundary}\r\nContent-Type: {entry.media_type}\r\n"
            f'Content-Disposition: attachment; name="{entry.name}"; filename="{entry.file_name}"\r\n'
            f"Content-Length: {len(data)}\r\nImage-Width: {entry.size[0]}\r\nImage-Height: {entry.size[1]}\r\n\r\n"
        )
        self._file.write(head.encode())
        self._file.write(data)
        self._file.write(b"\r\n")

    def finish(self) -> memoryview:
        """All of it."""
        self._file.write(f"--{self._boundary}--\r\n".encode())
        return self._file.getbuffer()


class Zip:
    """A ZIP file whose members are stored as they are: pictures are compressed already."""

    media_type = "application/zip"

    def __init__(self) -> None:
        self._file = io.BytesIO()

    def add(self, entry: Entry, data: memoryview) -> None:
        """Append one."""
        # Without a date the same batch gives the same bytes.
        member = zipfile.ZipInfo(entry.file_name)
        member.external_attr = 0o644 << 16
        # Opened for each: one that stays open would want to be closed even when its batch has failed.
        with zipfile.ZipFile(self._file, "a", zipfile.ZIP_STORED) as opened:
            opened.writestr(member, data)

    def finish(self) -> memoryview:
        """All of it."""
        return self._file.getbuffer()


ARCHIVES: dict[str, type[Multipart | Zip]] = {"multipart": Multipart, "zip": Zip}
