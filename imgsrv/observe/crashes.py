"""What is kept of a crash: a report as JSON, and the input in quarantine, each within bounds."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

MOST_REPORTS, MOST_INPUTS = 100, 100
"""The oldest go."""

PRIVATE = 0o600
"""Of a report and an input: they are somebody's picture, and what was wanted of it."""

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where reports and inputs go; None for nowhere.  max_bytes: of all inputs together."""

    reports: Path | None = None
    inputs: Path | None = None
    max_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Input:
    """Where an input lies in a file that is open."""

    descriptor: int
    start: int
    size: int

    def digest(self) -> str:
        """Its SHA-256."""
        found = hashlib.sha256()
        for at in range(self.start, self.start + self.size, CHUNK_BYTES):
            found.update(os.pread(self.descriptor, min(CHUNK_BYTES, self.start + self.size - at), at))
        return found.hexdigest()


def keep_report(keeping: Keeping, facts: Mapping[str, Any]) -> Path | None:
    """Write the facts of a crash; the report's path.  Raises OSError."""
    if keeping.reports is None:
        return None
    at = datetime.now(UTC)
    path = keeping.reports / f"crash-{at.strftime('%Y%m%d-%H%M%S-%f')}.json"
    text = json.dumps({"timestamp": at.isoformat(), **facts}, ensure_ascii=False, indent=2, default=str) + "\n"
    _write(path, [text.encode(errors="replace")])
    _prune(keeping.reports, "crash-*.json", MOST_REPORTS)
    return path


def keep_input(keeping: Keeping, found: Input, name: str) -> Path | None:
    """Write an input under the name; its path, or None where it is too large.  Raises OSError."""
    if keeping.inputs is None or found.size > keeping.max_bytes:
        return None
    path = keeping.inputs / f"{name}.input"
    # Another death may be looked into at the same time, and its input be the one too many.
    with contextlib.suppress(FileNotFoundError):
        os.utime(path)  # the same input again is the latest of all
        return path
    end = found.start + found.size
    starts = range(found.start, end, CHUNK_BYTES)
    _write(path, (os.pread(found.descriptor, min(CHUNK_BYTES, end - at), at) for at in starts))
    _prune(keeping.inputs, "*.input", MOST_INPUTS, keeping.max_bytes)
    return path


def _write(path: Path, chunks: Iterable[bytes]) -> None:
    """A file that is whole or not there."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE)
        with os.fdopen(descriptor, "wb") as file:
            for chunk in chunks:
                file.write(chunk)
        part.rename(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _prune(folder: Path, pattern: str, most: int, most_bytes: float = float("inf")) -> None:
    """Delete the oldest until the rest is within the bounds; another process may be at the same."""
    size = 0
    for number, (_written_at, bytes_, file) in enumerate(sorted(_sizes(folder, pattern), reverse=True)):
        size += bytes_
        if number >= most or size > most_bytes:
            file.unlink(missing_ok=True)


def _sizes(folder: Path, pattern: str) -> Iterator[tuple[int, int, Path]]:
    """When each file was written, and its size."""
    for file in folder.glob(pattern):
        with contextlib.suppress(FileNotFoundError):
            facts = file.stat()
            yield facts.st_mtime_ns, facts.st_size, file
