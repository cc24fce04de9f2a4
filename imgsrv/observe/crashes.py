"""Files that are kept after a crash: a report as JSON, and the input in quarantine.  Both folders are bounded."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from imgsrv.trusted_paths import steady

MOST_REPORTS, MOST_INPUTS = 100, 100
"""Most files of each kind; the oldest ones are deleted."""

PRIVATE = 0o600
"""Mode of a report and of an input: they hold somebody's picture and the request for it."""

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Keeping:
    """The folders of reports and of inputs; None to keep none.  max_bytes: limit of all inputs together."""

    reports: Path | None = None
    inputs: Path | None = None
    max_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Input:
    """An input: a range of bytes of an open file."""

    descriptor: int
    start: int
    size: int

    def digest(self) -> str:
        """Return the SHA-256 of the input in hexadecimal."""
        found = hashlib.sha256()
        for at in range(self.start, self.start + self.size, CHUNK_BYTES):
            found.update(os.pread(self.descriptor, min(CHUNK_BYTES, self.start + self.size - at), at))
        return found.hexdigest()


def keep_report(keeping: Keeping, facts: Mapping[str, Any]) -> Path | None:
    """Write a report with these facts; return its path, or None if no reports are kept.  Raises OSError."""
    if keeping.reports is None:
        return None
    at = datetime.now(UTC)
    name = f"crash-{at.strftime('%Y%m%d-%H%M%S-%f')}.json"
    text = json.dumps({"timestamp": at.isoformat(), **facts}, ensure_ascii=False, indent=2, default=str) + "\n"
    with steady(keeping.reports) as folder:
        _write(folder / name, [text.encode(errors="replace")])
        _prune(folder, "crash-*.json", MOST_REPORTS)
    return keeping.reports / name


def keep_input(keeping: Keeping, found: Input, name: str) -> Path | None:
    """Write an input under this name; return its path, or None if it is too large or none are kept.  Raises OSError."""
    if keeping.inputs is None or found.size > keeping.max_bytes:
        return None
    with steady(keeping.inputs) as folder:
        _keep_input(folder / f"{name}.input", found, keeping.max_bytes)
    return keeping.inputs / f"{name}.input"


def _keep_input(path: Path, found: Input, max_bytes: int) -> None:
    # Another process may handle a crash at the same time and delete this file as the oldest.
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISREG(path.lstat().st_mode):
            os.utime(path, follow_symlinks=False)  # an input that comes again counts as the newest
            return
    end = found.start + found.size
    starts = range(found.start, end, CHUNK_BYTES)
    _write(path, (os.pread(found.descriptor, min(CHUNK_BYTES, end - at), at) for at in starts))
    _prune(path.parent, "*.input", MOST_INPUTS, max_bytes)


def _write(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a file atomically: it appears whole or not at all."""
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
    """Delete the oldest files until the rest is within the bounds.  Another process may do the same meanwhile."""
    size = 0
    for number, (_written_at, bytes_, file) in enumerate(sorted(_sizes(folder, pattern), reverse=True)):
        size += bytes_
        if number >= most or size > most_bytes:
            file.unlink(missing_ok=True)


def _sizes(folder: Path, pattern: str) -> Iterator[tuple[int, int, Path]]:
    """Yield the time of writing (ns), the size in bytes and the path of each file."""
    for file in folder.glob(pattern):
        with contextlib.suppress(FileNotFoundError):
            facts = file.lstat()
            if stat.S_ISDIR(facts.st_mode):
                continue
            yield facts.st_mtime_ns, facts.st_size, file
