"""Eviction: when the folder of a cache is full, the entries that were not used for longest are removed.

It takes two passes over the folder, and no memory for names or sizes of entries.  The first one adds up bytes by the
age of their last use.  The second one removes what is older than the age that follows from these sums.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import stat
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from imgsrv.web.cache.usage import UsageFile

KEPT_SHARE = 0.9
"""The part of the limit that is left after an eviction, so that not every entry has to make one."""

STEPS = 16
"""Classes of ages for each doubling: entries of one class differ in age by 4 %."""

ABANDONED_S = 600.0
"""An unfinished file of that age belongs to a writer that died."""

FOLDER = re.compile(r"[0-9a-f]{2}")
ENTRY = re.compile(r"[0-9a-f]{62}")
UNFINISHED = re.compile(r"\.\d+-[0-9a-f]{16}")
"""The names of what is ours; other files are neither counted nor removed."""


def disk_bytes(facts: os.stat_result) -> int:
    """The bytes that a file takes on the disk, in whole blocks of 4096."""
    return -(-facts.st_size // 4096) * 4096


def evict(folder: Path, limit: int, usage: UsageFile) -> tuple[int, int]:
    """Remove the oldest entries until what is left fits; gives their number and their bytes.  Raises OSError.

    The count of the usage is set right besides.
    """
    counted_size, counted_entries = usage.read()
    by_age: Counter[int] = Counter()
    total = entries = 0
    now = time.time()
    for _path, facts in _entries(folder, now):
        total, entries = total + disk_bytes(facts), entries + 1
        by_age[_age(facts, now)] += disk_bytes(facts)
    # What others add in the meantime is counted by them.
    usage.add(total - counted_size, entries - counted_entries)
    surplus = total - math.floor(limit * KEPT_SHARE)
    if surplus <= 0:
        return 0, 0
    oldest, older = _cut(by_age, surplus)
    return _remove(folder, now, oldest, surplus - older, usage)


def purge(folder: Path, usage: UsageFile) -> int:
    """Remove every entry; gives their number.  Raises OSError."""
    removed = 0
    for path, facts in _entries(folder, time.time()):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
            usage.add(-disk_bytes(facts), -1)
            removed += 1
    return removed


def _cut(by_age: Counter[int], surplus: int) -> tuple[int, int]:
    """The class of ages in which the surplus ends, and the bytes of all older ones."""
    older = 0
    for age in sorted(by_age, reverse=True):
        if older + by_age[age] >= surplus:
            return age, older
        older += by_age[age]
    return -1, older


def _remove(folder: Path, now: float, oldest: int, share: int, usage: UsageFile) -> tuple[int, int]:
    """Remove all entries older than the class `oldest`, and of that class so many bytes."""
    entries = size = of_class = 0
    for path, facts in _entries(folder, now):
        age, own = _age(facts, now), disk_bytes(facts)
        if age < oldest or (age == oldest and of_class >= share):
            continue
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
            usage.add(-own, -1)
            entries, size = entries + 1, size + own
            of_class += own if age == oldest else 0
    return entries, size


def _age(facts: os.stat_result, now: float) -> int:
    """The class of the time since the last use."""
    return math.floor(STEPS * math.log2(1 + max(0.0, now - facts.st_mtime) * 1000))


def _entries(folder: Path, now: float) -> Iterator[tuple[Path, os.stat_result]]:
    """Every entry, with its facts; unfinished files of dead writers are removed on the way."""
    for part in os.scandir(folder):
        if not FOLDER.fullmatch(part.name) or not part.is_dir(follow_symlinks=False):
            continue
        with contextlib.suppress(FileNotFoundError), os.scandir(part.path) as files:
            for file in files:
                yield from _if_entry(file, now)


def _if_entry(file: os.DirEntry[str], now: float) -> Iterator[tuple[Path, os.stat_result]]:
    with contextlib.suppress(FileNotFoundError):
        facts = file.stat(follow_symlinks=False)
        if not stat.S_ISREG(facts.st_mode):
            return
        if ENTRY.fullmatch(file.name):
            yield Path(file.path), facts
        elif UNFINISHED.fullmatch(file.name) and now - facts.st_mtime > ABANDONED_S:
            Path(file.path).unlink()
