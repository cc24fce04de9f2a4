"""Where pictures lie and results go: files, and objects of buckets.

Both are written whole or not at all: a file gets its name when it is complete, and a bucket shows an object only then.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from imgsrv.allowed_places import STORES
from imgsrv.bulk import buckets
from imgsrv.errors import BadArgument, joined
from imgsrv.imaging.model.limits import Data

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/{1,2}(?=[^/])")

EXAMPLE = "write it like s3://bucket/photos/cat.jpg"


@dataclass(frozen=True, slots=True)
class Blob:
    """An object of a bucket, or a folder in one.  store: such as s3://bucket.  path: without a slash at either end."""

    store: str
    path: str

    def __str__(self) -> str:
        return f"{self.store}/{self.path}"

    @property
    def file(self) -> PurePosixPath:
        """Its name as that of a file, for suffixes."""
        return PurePosixPath(self.path)


Place = Path | Blob


def is_url(text: str) -> bool:
    """Whether an argument names a bucket or something in it."""
    return text.startswith(tuple(f"{store}://" for store in STORES))


def refuse_other_url(text: str) -> None:
    """Raise BadArgument for a URL that is none of a bucket.  A file of such a name is written as ./NAME."""
    found = URL.match(text)
    if found is not None and not is_url(text):
        stores = joined([f"{store}://" for store in STORES])
        reason = f"{found[0]} is no bucket: files are read, and objects of {stores}; download it first"
        raise BadArgument(f"{text} is no file, and {reason}")


def parse_blob(text: str) -> Blob:
    """An object or a folder of a URL.  Raises BadArgument if it has no bucket or an odd path."""
    scheme, _, rest = text.partition("://")
    bucket, _, path = rest.partition("/")
    parts = path.removesuffix("/").split("/")
    odd = next((part for part in parts if path and part in ("", ".", "..")), None)
    if not bucket or odd is not None:
        reason = "with the name of a bucket" if not bucket else f"without the part {odd!r}" if odd else "without //"
        raise BadArgument(f"{text} is no object of a bucket; {EXAMPLE}, {reason}")
    return Blob(f"{scheme}://{bucket}", "/".join(parts))


def is_folder(text: str) -> bool:
    """Whether the text names a folder, or ends with / like a new one."""
    if is_url(text):
        return text.endswith("/") or not parse_blob(text).path
    return text.endswith("/") or os.path.isdir(text)  # noqa: PTH112  Path.is_dir raises for a folder that is closed


def place_of(text: str) -> Place:
    """The place that an argument names.  Raises BadArgument for a URL that is none of an object."""
    return parse_blob(text) if is_url(text) else Path(text)


def below(folder: Place, path: PurePosixPath | Path) -> Place:
    """A place in a folder."""
    if isinstance(folder, Path):
        return folder / path
    return Blob(folder.store, str(PurePosixPath(folder.path) / path) if folder.path else str(path))


def name_of(place: Place | None) -> str:
    """The name of a place in a manifest: its path from the root, so that a later run in another folder finds it."""
    if isinstance(place, Path):
        return os.path.abspath(place)  # noqa: PTH100  Path has no such method that leaves links as they are
    return str(place or "-")


def version_of(facts: os.stat_result) -> str:
    """What differs when a file has changed: its size in bytes and its time in nanoseconds."""
    return f"{facts.st_size}-{facts.st_mtime_ns}"


def read(place: Place | None) -> tuple[Data, str]:
    """The bytes of a picture and their version; of standard input without a place.  Raises OSError."""
    if place is None:
        return sys.stdin.buffer.read(), ""
    if isinstance(place, Blob):
        return buckets.read(place.store, place.path)
    with place.open("rb") as file:
        return file.read(), version_of(os.fstat(file.fileno()))


@contextlib.contextmanager
def written_whole(target: Place | None, mark: str, media_type: str, *, overwrites: bool) -> Iterator[BinaryIO]:
    """Yield a file.  Its content becomes the target if the block succeeds, and is deleted if not.

    mark: of the temporary file.  Raises FileExistsError if the target exists and is not to be replaced.
    """
    if isinstance(target, Path):
        with _file_whole(target, mark, overwrites=overwrites) as opened:
            yield opened
        return
    # Output to a pipe cannot be undone, so nothing is written before the picture is whole.
    file = io.BytesIO()
    yield file
    if target is None:
        sys.stdout.buffer.write(file.getbuffer())
        sys.stdout.buffer.flush()
    else:
        buckets.write(target.store, target.path, file.getvalue(), media_type, overwrites=overwrites)


def remove_part(target: Place | None, mark: str) -> None:
    """Delete the temporary file that a dead process with this mark has left."""
    if isinstance(target, Path):
        _part(target, mark).unlink(missing_ok=True)


@contextlib.contextmanager
def _file_whole(target: Path, mark: str, *, overwrites: bool) -> Iterator[BinaryIO]:
    if not overwrites and target.exists():
        raise FileExistsError(target)
    part = _part(target, mark)
    try:
        with part.open("wb+") as opened:
            yield opened
        if overwrites:
            part.replace(target)
        else:
            # Unlike a rename, a link never replaces a file that somebody else has made meanwhile.
            target.hardlink_to(part)
            part.unlink()
    except BaseException:
        # The file does not exist if opening it has failed.
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def _part(target: Path, mark: str) -> Path:
    """Return the temporary file for a target."""
    return target.with_name(f".{target.name}.{mark}.part")
