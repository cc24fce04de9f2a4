"""The identity of a picture whose place gives none: it follows from the bytes."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Mapping

from imgsrv.jobs.job import Input, Place
from imgsrv.web.multipart import FILE_PART

IN_LOOP_BYTES = 1 << 20
"""Bytes are digested in the loop up to so many: a millisecond."""


async def identity_of_bytes(file: int, source: Input) -> str:
    """The identity of the bytes of a picture and its further parts.  file: the descriptor that they lie in."""
    places = {FILE_PART: (source.start, source.size), **source.parts}
    if sum(size for _start, size in places.values()) <= IN_LOOP_BYTES:
        return _digest(file, places)
    return await asyncio.to_thread(_digest, file, places)


def _digest(file: int, places: Mapping[str, Place]) -> str:
    found = []
    for name, (start, size) in sorted(places.items()):
        digest, place = hashlib.sha256(), start
        while place < start + size and (piece := os.pread(file, min(IN_LOOP_BYTES, start + size - place), place)):
            digest.update(piece)
            place += len(piece)
        found.append(f"{name}={digest.hexdigest()}")
    return f"bytes:{','.join(found)}"
