"""The folder of the cache: bounded, and never in the way, whatever has happened to it."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgsrv.web.cache.entry import BadEntry, Entry
from imgsrv.web.cache.folder import FolderStore
from imgsrv.web.cache.store import StoreFailed, StoreFull, Usage

LIMIT = 1_000_000


def key(number: int) -> bytes:
    return number.to_bytes(2, "big") * 16


def entry(size: int = 20_000, fill: bytes = b"x") -> Entry:
    return Entry("image/jpeg", 10, 10, is_broken=False, made_at=1.0, body=fill * size)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FolderStore]:
    made = FolderStore(tmp_path, LIMIT, 500_000)
    yield made
    asyncio.run(made.close())


def put(store: FolderStore, *numbers: int, size: int = 20_000) -> None:
    for number in numbers:
        asyncio.run(store.put(key(number), entry(size)))


def kept(store: FolderStore, *numbers: int) -> list[int]:
    return [number for number in numbers if asyncio.run(store.get(key(number))) is not None]


def used_long_ago(store: FolderStore, number: int, seconds: float) -> None:
    moment = time.time() - seconds
    os.utime(store.path_of(key(number)), (moment, moment))


def disk_size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and file.name != "usage")


def test_what_was_put_is_there(store: FolderStore) -> None:
    asyncio.run(store.put(key(1), entry(400_000)))
    assert asyncio.run(store.get(key(1))) == entry(400_000)
    assert asyncio.run(store.get(key(2))) is None
    assert asyncio.run(store.usage()) == Usage(1, 401_408, LIMIT)


def test_an_entry_put_twice_counts_once(store: FolderStore) -> None:
    put(store, 1, 1)
    assert asyncio.run(store.usage()) == Usage(1, 20_480, LIMIT)


def test_another_process_finds_it(store: FolderStore, tmp_path: Path) -> None:
    put(store, 1)
    other = FolderStore(tmp_path, LIMIT, 500_000)
    assert kept(other, 1) == [1]


def test_the_folder_keeps_its_bound_and_what_was_used_last(store: FolderStore, tmp_path: Path) -> None:
    evicted: list[tuple[int, int]] = []
    store.on_evicted = lambda entries, size: evicted.append((entries, size))
    put(store, *range(40))
    for number in range(40):
        used_long_ago(store, number, 10_000 - 100 * number)
    used_long_ago(store, 0, 1)
    put(store, *range(40, 60))

    assert disk_size(tmp_path) <= LIMIT
    assert kept(store, 0, 1, 2, 3) == [0]
    assert kept(store, *range(40, 60)) == [*range(40, 60)]
    usage = asyncio.run(store.usage())
    assert usage.entries == len(kept(store, *range(60)))
    assert sum(entries for entries, _size in evicted) == 60 - (usage.entries or 0)


def test_a_use_is_noted(store: FolderStore) -> None:
    put(store, 1)
    used_long_ago(store, 1, 1000)
    assert kept(store, 1) == [1]
    assert time.time() - Path(store.path_of(key(1))).stat().st_mtime < 100


def test_a_wrong_count_is_set_right(store: FolderStore, tmp_path: Path) -> None:
    put(store, 1)
    (tmp_path / "v1/usage").write_bytes((LIMIT * 2).to_bytes(8, "little") + bytes(8))
    put(store, 2)
    assert asyncio.run(store.usage()) == Usage(2, 40_960, LIMIT)


def test_a_count_of_nonsense_is_none(store: FolderStore, tmp_path: Path) -> None:
    put(store, 1)
    (tmp_path / "v1/usage").write_bytes(b"\xff" * 16)
    put(store, 2)
    assert kept(store, 1, 2) == [1, 2]


def test_files_of_others_are_neither_counted_nor_removed(store: FolderStore, tmp_path: Path) -> None:
    put(store, 1)
    others = [tmp_path / "v1/notes.txt", tmp_path / "v1/00/core", tmp_path / "v1/zz/aa", tmp_path / "v1/00/link"]
    for file in others[:3]:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(bytes(LIMIT))
    others[3].symlink_to(others[0])
    (tmp_path / "v1/usage").write_bytes((LIMIT * 2).to_bytes(8, "little") + bytes(8))
    put(store, 2)
    assert asyncio.run(store.purge()) == 2
    assert all(file.is_symlink() or file.stat().st_size == LIMIT for file in others)


def test_the_unfinished_file_of_a_dead_writer_goes_with_an_eviction(store: FolderStore) -> None:
    put(store, 1)
    folder = Path(store.path_of(key(1))).parent
    old, young = folder / f".123-{'0' * 16}", folder / f".124-{'0' * 16}"
    for file in (old, young):
        file.write_bytes(b"half")
    os.utime(old, (1, 1))
    asyncio.run(store.purge())
    assert (old.exists(), young.exists()) == (False, True)


@pytest.mark.parametrize("kind", ["torn", "empty", "longer", "flipped", "huge", "link", "fifo", "folder", "other"])
def test_what_lies_in_the_place_of_an_entry_is_not_served(store: FolderStore, tmp_path: Path, kind: str) -> None:
    put(store, 1, 2)
    file = Path(store.path_of(key(1)))
    data = file.read_bytes()
    file.unlink()
    if kind == "link":
        whole = tmp_path / "whole"
        whole.write_bytes(data)
        file.symlink_to(whole)
    elif kind == "fifo":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    else:
        file.write_bytes(
            {
                "torn": data[:5000],
                "empty": b"",
                "longer": data + b"x",
                "flipped": data[:-1] + b"y",
                "huge": data + bytes(600_000),
                "other": Path(store.path_of(key(2))).read_bytes(),
            }[kind]
        )
    with pytest.raises((BadEntry, StoreFailed)):
        asyncio.run(store.get(key(1)))
    if kind not in ("folder", "link"):
        put(store, 1)
        assert kept(store, 1) == [1]


def test_a_folder_that_is_deleted_is_made_again(store: FolderStore, tmp_path: Path) -> None:
    put(store, 1, 2)
    shutil.rmtree(tmp_path / "v1")
    assert kept(store, 1) == []
    put(store, 3)
    assert kept(store, 3) == [3]
    assert asyncio.run(store.usage()) == Usage(1, 20_480, LIMIT)


def test_a_place_that_is_no_folder_fails_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "v1").write_text("a file")
    store = FolderStore(tmp_path, LIMIT, 500_000)
    with pytest.raises(StoreFailed, match="exists"):
        put(store, 1)


def test_an_entry_beyond_the_folder_is_refused(tmp_path: Path) -> None:
    store = FolderStore(tmp_path, LIMIT, 5_000_000)
    with pytest.raises(StoreFull):
        put(store, 1, size=LIMIT + 1)
    assert disk_size(tmp_path) == 0


def test_a_purge_removes_every_entry(store: FolderStore) -> None:
    put(store, *range(10))
    assert asyncio.run(store.purge()) == 10
    assert asyncio.run(store.usage()) == Usage(0, 0, LIMIT)
    assert asyncio.run(store.purge()) == 0


def test_nothing_is_left_beside_an_entry(store: FolderStore, tmp_path: Path) -> None:
    put(store, *range(10))
    names = [file.name for file in tmp_path.rglob("*") if file.is_file() and file.name != "usage"]
    assert len(names) == 10
    assert all(len(name) == 62 for name in names)
