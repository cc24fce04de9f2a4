"""Reading a log: its last lines, also from rotated files, and new lines, also across rotation."""

from __future__ import annotations

import contextlib
import gzip
import os
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imgsrv.observe.log import compress
from imgsrv.observe.log.reader import BLOCK_BYTES, LogReader
from imgsrv.observe.log.rotation import Rotation, Rotator, rotated_files
from imgsrv.observe.log.sink import LogFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.log"


@pytest.fixture
def reading(path: Path) -> Iterator[Callable[[], LogReader]]:
    """Readers of the log, closed at the end."""
    with contextlib.ExitStack() as opened:
        yield lambda: opened.enter_context(LogReader(path))


@pytest.fixture
def sink(path: Path) -> LogFile:
    return LogFile(path)


@pytest.fixture
def rotate(sink: LogFile) -> Callable[[], None]:
    rotator = Rotator(sink, Rotation(max_bytes=1))

    def rotating() -> None:
        assert rotator.rotate_if_due() is not None
        sink.reopen()

    return rotating


def compressed(path: Path) -> None:
    for file in rotated_files(path):
        if file.suffix != ".gz":
            assert compress.compress(file) == compress.EXIT_DONE


def news(reader: LogReader) -> list[str]:
    return [line.decode() for line in reader.news()]


def backwards(path: Path) -> list[str]:
    with LogReader(path) as reader:
        return [line.decode() for line in reader.backwards()]


def test_lines_are_read_from_rotated_and_compressed_files(
    path: Path, sink: LogFile, rotate: Callable[[], None]
) -> None:
    for number in range(6):
        sink.write(f"{number}a\n{number}b\n")
        if number < 5:
            rotate()
        if number == 2:
            compressed(path)
    assert backwards(path) == [f"{number}{half}" for number in reversed(range(6)) for half in "ba"]


@pytest.mark.parametrize("size", [1, 100, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES])
def test_lines_of_any_length_are_read_completely(path: Path, sink: LogFile, size: int) -> None:
    lines = [f"{number}" * size for number in range(4)]
    sink.write("\n".join(lines) + "\n")
    assert backwards(path) == lines[::-1]


def test_following_gives_only_later_lines(sink: LogFile, reading: Callable[[], LogReader]) -> None:
    sink.write("old\n")
    reader = reading()
    sink.write("new\nha")
    assert news(reader) == ["new"]
    sink.write("lf\n")
    assert news(reader) == ["half"]
    assert list(reader.backwards()) == [b"old"]


def test_a_line_that_a_truncation_cut_is_no_part_of_the_next(
    path: Path, sink: LogFile, reading: Callable[[], LogReader]
) -> None:
    reader = reading()
    sink.write("a line of which the end is to co")
    assert news(reader) == []
    os.truncate(path, 0)
    sink.write("new\n")
    assert news(reader) == ["new"]


def test_a_large_compressed_file_is_read_in_little_memory(path: Path, sink: LogFile) -> None:
    sink.write("x")
    with gzip.open(path.with_name("x.log.20261125-101500-000000.gz"), "wb", 1) as packed:
        for number in range(200):
            packed.write(b"%d " % number * 100_000 + b"\n")
    tracemalloc.start()
    try:
        with LogReader(path) as reader:
            assert next(line for line in reader.backwards() if line != b"x").startswith(b"199 199")
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


def test_a_broken_or_missing_compressed_file_is_no_error(path: Path) -> None:
    whole = gzip.compress(b"first\nsecond\n")
    path.with_name("x.log.20261125-101500-000000.gz").write_bytes(b"no gzip")
    path.with_name("x.log.20261125-101500-000001.gz").write_bytes(whole[:-6])
    gone = path.with_name("x.log.20261125-101500-000002.gz")
    gone.write_bytes(whole)
    with LogReader(path) as reader:
        gone.unlink()
        assert list(reader.backwards()) == [b"second", b"first"]


def test_following_goes_on_across_rotation_and_compression(
    path: Path, sink: LogFile, rotate: Callable[[], None], reading: Callable[[], LogReader]
) -> None:
    sink.write("old\n")
    rotate()
    reader, found = reading(), []
    for number in range(12):
        sink.write(f"{number}a\n")
        rotate()
        sink.write(f"{number}b\n")
        if number % 3 == 0:
            rotate()
        found += news(reader)
        compressed(path)
    assert found == [f"{number}{half}" for number in range(12) for half in "ab"]


def test_a_late_line_in_the_renamed_file_is_still_read(
    path: Path, sink: LogFile, reading: Callable[[], LogReader]
) -> None:
    reader = reading()
    path.rename(path.with_name("moved"))
    LogFile(path).write("new\n")
    assert news(reader) == ["new"]
    sink.write("late\n")
    assert news(reader) == ["late"]


def test_a_file_is_closed_after_its_last_line(
    path: Path, sink: LogFile, monkeypatch: pytest.MonkeyPatch, reading: Callable[[], LogReader]
) -> None:
    reader = reading()
    path.rename(path.with_name("moved"))
    sink.reopen()
    news(reader)
    monkeypatch.setattr("imgsrv.observe.log.reader.QUIET_S", 0)
    news(reader)
    assert len(reader._readers) == 1


def test_a_log_that_does_not_exist_yet_can_be_followed(path: Path, reading: Callable[[], LogReader]) -> None:
    reader = reading()
    assert not reader.is_there
    assert list(reader.backwards()) == []
    LogFile(path).write("first\n")
    assert news(reader) == ["first"]
