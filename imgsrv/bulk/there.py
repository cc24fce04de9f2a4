"""What is there when a run begins: the versions of its sources, and the lengths of results of runs before."""

from __future__ import annotations

import functools
from pathlib import Path

from imgsrv.bulk import buckets
from imgsrv.bulk.clerk import Clerk
from imgsrv.bulk.places import Blob, Place, is_folder, parse_blob, version_of
from imgsrv.bulk.work import Conversion


class There:
    """Files are looked at one by one; the objects of OUT are listed at once, with the first question about one."""

    def __init__(self, out: str, clerk: Clerk) -> None:
        self._out, self._clerk = out, clerk

    def version(self, conversion: Conversion) -> str | None:
        """The version of a source; None if it is gone or is standard input."""
        if not isinstance(conversion.source, Path):
            return conversion.version or None
        try:
            return version_of(conversion.source.stat())
        except OSError:
            return None

    def length(self, target: Place) -> int | None:
        """The length of a result in bytes; None if there is none.  Raises BadArgument if its bucket cannot be asked."""
        if isinstance(target, Blob):
            return self._objects.get(target)
        try:
            return target.stat().st_size
        except OSError:
            return None

    @functools.cached_property
    def _objects(self) -> dict[Blob, int]:
        out = parse_blob(self._out)
        if not is_folder(self._out):
            one = self._clerk.ask(buckets.head, out.store, out.path)
            return {out: one.size} if one else {}
        found, _ = self._clerk.ask(buckets.listed, out.store, out.path, is_recursive=True)
        return {Blob(out.store, one.path): one.size for one in found}
