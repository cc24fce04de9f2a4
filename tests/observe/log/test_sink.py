"""Many processes append to a log file while it is renamed, compressed or deleted, and while the disk is full."""

from __future__ import annotations

import contextlib
import gzip
import json
import mmap
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from descriptors import open_descriptors
from serving import wait_until

from imgsrv.errors import CannotWriteLog
from imgsrv.observe.log import compress
from imgsrv.observe.log.rotation import Rotation, Rotator, rotated_files
from imgsrv.observe.log.sink import LogFile, is_in_use

WRITERS, RECORDS = 6, 3000

RECORDS_PER_TURN = 50
"""Of each writer, so that the file is renamed many times while it writes."""


def log_file(path: Path) -> LogFile:
    return LogFile(path, lambda lost: f"lost {lost}\n")


def test_a_file_that_cannot_be_written_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(CannotWriteLog, match=r"cannot write the log file .*/no/x.log: No such file .* \(--log-file\)"):
        log_file(tmp_path / "no" / "x.log")


def test_a_folder_is_refused_as_log_file(tmp_path: Path) -> None:
    with pytest.raises(CannotWriteLog, match="Is a directory"):
        log_file(tmp_path)


def test_a_pipe_without_a_reader_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CannotWriteLog, match="it is a pipe"):
        log_file(tmp_path / "pipe")


def test_other_users_cannot_read_the_log(tmp_path: Path) -> None:
    log_file(tmp_path / "x.log")
    assert (tmp_path / "x.log").stat().st_mode & 0o007 == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_user_of_the_workers_owns_each_file(tmp_path: Path) -> None:
    sink = log_file(tmp_path / "x.log")
    sink.give_to(12345, 54321)
    (tmp_path / "x.log").rename(tmp_path / "old")
    sink.reopen()
    assert [(file.stat().st_uid, file.stat().st_gid) for file in tmp_path.iterdir()] == [(12345, 54321)] * 2


def test_an_existing_log_is_appended_to(tmp_path: Path) -> None:
    (tmp_path / "x.log").write_text("old\n")
    log_file(tmp_path / "x.log").write("new\n")
    assert (tmp_path / "x.log").read_text() == "old\nnew\n"


def test_a_moved_file_is_written_until_it_is_opened_again(tmp_path: Path) -> None:
    sink = log_file(tmp_path / "x.log")
    (tmp_path / "x.log").rename(tmp_path / "old")
    sink.write("to the old\n")
    assert sink.is_astray()
    assert sink.reopen()
    sink.write("to the new\n")
    assert ((tmp_path / "old").read_text(), (tmp_path / "x.log").read_text()) == ("to the old\n", "to the new\n")
    assert not sink.is_astray()


def test_the_next_file_gets_the_same_descriptor(tmp_path: Path) -> None:
    sink = log_file(tmp_path / "x.log")
    before = (sink.descriptor, open_descriptors())
    for _ in range(3):
        (tmp_path / "x.log").unlink()
        sink.reopen()
    assert (sink.descriptor, open_descriptors()) == before


def test_a_symbolic_link_is_followed_and_kept(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "x.log")
    sink = log_file(tmp_path / "link")
    sink.write("1\n")
    Rotator(sink, Rotation(max_bytes=1)).rotate_if_due()
    sink.reopen()
    assert (tmp_path / "link").is_symlink()
    assert len(rotated_files(tmp_path / "x.log")) == 1


def test_a_link_that_replaces_the_open_file_is_not_followed(tmp_path: Path) -> None:
    path, other = tmp_path / "x.log", tmp_path / "other"
    other.touch()
    sink = log_file(path)
    path.unlink()
    path.symlink_to(other)
    assert not sink.reopen()
    sink.write("1\n")
    assert other.read_text() == ""


def test_records_lost_with_a_deleted_folder_are_reported_when_it_exists_again(tmp_path: Path) -> None:
    folder, lost = tmp_path / "logs", Counter[str]()
    folder.mkdir()
    sink = log_file(folder / "x.log")
    sink.count_lost_with(lambda count: lost.update({"lost": count}))
    (folder / "x.log").unlink()
    folder.rmdir()
    assert not sink.reopen()
    sink.write("1\n")
    sink.write("2\n")
    assert lost["lost"] == 2
    folder.mkdir()
    assert sink.reopen()
    sink.write("3\n")
    assert (folder / "x.log").read_text() == "lost 2\n3\n"


def test_a_folder_that_exists_again_is_found_while_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    sink = log_file(folder / "x.log")
    (folder / "x.log").unlink()
    folder.rmdir()
    monkeypatch.setattr("imgsrv.observe.log.sink.RETRY_S", 0)
    assert not sink.reopen()
    folder.mkdir()
    sink.write("1\n")
    assert (folder / "x.log").read_text() == "1\n"


FULL = """
import resource, sys
from pathlib import Path
from imgsrv.observe.log.sink import LogFile
lost = []
sink = LogFile(Path(sys.argv[1]), lambda count: f"lost {count}\\n")
sink.count_lost_with(lost.append)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
for number in range(30):
    sink.write(f"{number:03} " + "x" * 95 + "\\n")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
sink.write("after\\n")
print(sum(lost))
"""


def test_a_file_that_cannot_grow_has_only_complete_records(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text("-" * 49 + "\n")  # so that the limit falls into the middle of a record
    done = subprocess.run([sys.executable, "-c", FULL, path], capture_output=True, text=True, check=True)
    lines = path.read_text().splitlines()
    assert [line[:3] for line in lines[1:10]] == [f"{number:03}" for number in range(9)]
    assert lines[10:] == ["lost 21", "after"]
    assert done.stdout == "21\n"


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A very small file system."""
    mount = shutil.which("mount")
    if (
        mount is None
        or subprocess.run([mount, "-t", "tmpfs", "-o", "size=64k", "none", folder], check=False).returncode
    ):
        pytest.skip("nobody may mount here")
    try:
        yield folder
    finally:
        subprocess.run([shutil.which("umount") or "umount", "-l", folder], check=True)


def test_on_a_full_disk_every_record_is_complete_or_counted_as_lost(tmp_path: Path) -> None:
    with small_disk(tmp_path):
        path = tmp_path / "x.log"
        (tmp_path / "ballast").write_bytes(bytes(20_000))
        counts = many_writers(path, rotating=lambda: (tmp_path / "ballast").unlink(missing_ok=True))
        lines = path.read_text().splitlines()
        lost = sum(counts)
        assert lost > 0
        assert all(line.startswith(("w", "lost ")) and line.endswith(("x", *"0123456789")) for line in lines)
        assert sum(line.startswith("w") for line in lines) + lost == WRITERS * RECORDS
        assert len({line for line in lines if line.startswith("w")}) == WRITERS * RECORDS - lost


def many_writers(path: Path, rotating: Callable[[], None]) -> list[int]:
    """Records of many processes, each numbered; how many each could not write.

    rotating: called again and again while they write; they are told to open the file again after each call.
    """
    shared, boards = log_file(path), [os.memfd_create(name) for name in ("turn", "written", "lost")]
    for board in boards:
        os.ftruncate(board, 8 * WRITERS)
    turn, written, lost = (mmap.mmap(board, 8 * WRITERS) for board in boards)
    writers = {_writer(shared, name, *boards) for name in range(WRITERS)}
    for number in range(RECORDS // RECORDS_PER_TURN):
        least = number * RECORDS_PER_TURN
        wait_until(lambda least=least: min(memoryview(written).cast("Q")) >= least, "all have written")  # type: ignore[misc]
        rotating()
        shared.reopen()
        turn[:8] = (number + 1).to_bytes(8, "little")
    assert [os.waitpid(pid, 0)[1] for pid in writers] == [0] * WRITERS
    os.close(shared.descriptor)
    for board in boards:
        os.close(board)
    return list(memoryview(lost).cast("Q"))


def _writer(sink: LogFile, name: int, turn: int, written: int, lost: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        signal.alarm(60)
        losses: list[int] = []
        sink.count_lost_with(losses.append)
        seen = 0
        for number in range(RECORDS):
            os.pwrite(written, number.to_bytes(8, "little"), 8 * name)
            # A turn ahead at most, so that all write while the file is renamed.
            while (now := int.from_bytes(os.pread(turn, 8, 0), "little")) + 1 < number // RECORDS_PER_TURN:
                os.sched_yield()
            if now != seen:
                seen = now
                sink.reopen()
            sink.write(f"w{name}-{number:05} {'x' * (number % 400)}x\n")
        os.pwrite(written, RECORDS.to_bytes(8, "little"), 8 * name)
        os.pwrite(lost, len(losses).to_bytes(8, "little"), 8 * name)
        status = 0
    finally:
        os._exit(status)


def every_line(path: Path) -> list[str]:
    found = [*rotated_files(path), path]
    texts = [gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes() for file in found]
    return b"".join(texts).decode().splitlines()


def test_rotation_and_compression_lose_tear_and_duplicate_no_record_of_many_processes(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    rotator = Rotator(log_file(path), Rotation(max_bytes=2000))

    def rotating() -> None:
        rotator._sink.reopen()
        rotator.rotate_if_due()
        if (file := rotator.next_to_compress()) is not None:
            compress.compress(file)

    assert many_writers(path, rotating) == [0] * WRITERS
    lines = every_line(path)
    assert len(rotated_files(path)) > 10
    assert any(file.suffix == ".gz" for file in rotated_files(path))
    expected = {f"w{name}-{number:05} {'x' * (number % 400)}x" for name in range(WRITERS) for number in range(RECORDS)}
    assert len(lines) == len(expected)
    assert set(lines) == expected


# ---- compression --------------------------------------------------------------------------------------


def test_a_file_with_an_open_writer_is_not_compressed(tmp_path: Path) -> None:
    sink = log_file(tmp_path / "x.log")
    sink.write("1\n")
    assert compress.compress(sink.path) == compress.EXIT_IN_USE
    assert is_in_use(sink.path)
    os.close(sink.descriptor)
    assert not is_in_use(sink.path)
    assert compress.compress(sink.path) == compress.EXIT_DONE


def test_a_killed_compression_keeps_the_file_and_leaves_no_result(tmp_path: Path) -> None:
    file = tmp_path / "x.log.20261125-101500-000000"
    file.write_bytes(os.urandom(40_000_000))
    process = subprocess.Popen([sys.executable, "-I", "-S", compress.__file__, str(file)])
    part = tmp_path / f"{file.name}.gz.part"
    wait_until(lambda: part.exists() and part.stat().st_size > 0, "it has begun")
    process.kill()
    process.wait()
    assert rotated_files(tmp_path / "x.log") == [file]
    assert file.stat().st_size == 40_000_000


def test_the_remains_of_a_killed_compression_are_no_obstacle(tmp_path: Path) -> None:
    file = tmp_path / "x.log.20261125-101500-000000"
    file.write_text("1\n")
    for name in (f"{file.name}.gz.part", f"{file.name}.gz"):
        (tmp_path / name).write_text("half")
    assert compress.compress(file) == compress.EXIT_DONE
    assert [found.name for found in tmp_path.iterdir()] == [f"{file.name}.gz"]
    assert gzip.decompress((tmp_path / f"{file.name}.gz").read_bytes()) == b"1\n"


def test_a_link_in_the_place_of_the_result_is_not_followed(tmp_path: Path) -> None:
    file, other = tmp_path / "x.log.20261125-101500-000000", tmp_path / "other"
    file.write_text("1\n")
    other.write_text("kept")
    file.with_name(f"{file.name}.gz.part").symlink_to(other)
    assert compress.compress(file) == compress.EXIT_DONE
    assert other.read_text() == "kept"
    assert gzip.decompress(file.with_name(f"{file.name}.gz").read_bytes()) == b"1\n"


def test_a_compression_on_a_full_disk_keeps_the_file(tmp_path: Path) -> None:
    file = tmp_path / "x.log.20261125-101500-000000"
    file.write_bytes(os.urandom(100_000))
    done = subprocess.run(
        [sys.executable, "-I", "-S", compress.__file__, str(file)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000)),
        stderr=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 1
    assert [found.name for found in tmp_path.iterdir()] == [file.name]


# ---- rotation -----------------------------------------------------------------------------------------


def test_a_file_is_rotated_when_it_is_large(tmp_path: Path) -> None:
    sink = log_file(tmp_path / "x.log")
    rotator = Rotator(sink, Rotation(max_bytes=10))
    sink.write("1\n")
    assert rotator.rotate_if_due() is None
    sink.write("12345678\n")
    assert rotator.rotate_if_due() == 11
    (file,) = rotated_files(sink.path)
    assert file.read_text() == "1\n12345678\n"


@pytest.mark.parametrize(
    ("timestamp", "is_rotated"),
    [
        pytest.param("2020-01-01T00:00:00Z", True, id="old"),
        pytest.param("2999-01-01T00:00:00Z", False, id="young"),
        pytest.param("2020-01-01T00:00:00", True, id="old-by-another-program-without-a-zone"),
    ],
)
def test_a_file_is_as_old_as_its_first_record(tmp_path: Path, timestamp: str, *, is_rotated: bool) -> None:
    path = tmp_path / "x.log"
    path.write_text(json.dumps({"timestamp": timestamp}) + "\n")
    assert (Rotator(log_file(path), Rotation(max_age_s=3600)).rotate_if_due() is not None) == is_rotated


def test_an_empty_file_is_not_rotated(tmp_path: Path) -> None:
    assert Rotator(log_file(tmp_path / "x.log"), Rotation(max_age_s=1e-9)).rotate_if_due() is None


def test_only_the_newest_files_are_kept_and_foreign_files_are_untouched(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    foreign = [tmp_path / name for name in ("x.log.1", "x.log.2.gz", "x.log.20261125", "x.log.gz", "y.log")]
    foreign.append(tmp_path / "x.log.20269999-999999-999999")
    for file in foreign:
        file.touch()
    sink = log_file(path)
    rotator = Rotator(sink, Rotation(max_bytes=1, keep=3))
    for number in range(6):
        sink.write(f"{number}\n")
        rotator.rotate_if_due()
        sink.reopen()
        compress.compress(rotated_files(path)[-1])
    rotator.delete_surplus()
    assert every_line(path) == ["3", "4", "5"]
    assert all(file.exists() for file in foreign)


def test_a_foreign_file_with_the_last_possible_time_does_not_prevent_rotation(tmp_path: Path) -> None:
    (tmp_path / "x.log.99991231-235959-999999").write_text("letters")
    sink = LogFile(tmp_path / "x.log")
    sink.write("1\n")
    assert Rotator(sink, Rotation(max_bytes=1)).rotate_if_due() == 2
    assert [file.read_text() for file in rotated_files(tmp_path / "x.log")] == ["1\n"]


def test_names_sort_in_order_of_writing_even_if_the_clock_is_set_back(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    (tmp_path / "x.log.29990101-000000-000000.gz").write_bytes(gzip.compress(b"first\n"))
    sink = log_file(path)
    sink.write("second\n")
    Rotator(sink, Rotation(max_bytes=1)).rotate_if_due()
    sink.reopen()
    assert every_line(path) == ["first", "second"]
