"""What root reads, follows and gives away in folders that other users can write to."""

from __future__ import annotations

import os
import pwd
import tempfile
from pathlib import Path

import pytest
from serving import Server, serving, wait_until
from wire import PNG, ask, is_flipped, post

from imgsrv.errors import BadRuntimeFolder, BadSetting, CannotWriteLog
from imgsrv.observe.crashes import Input, Keeping, keep_input, keep_report
from imgsrv.observe.log import compress
from imgsrv.observe.log.rotation import Rotation, Rotator, rotated_files
from imgsrv.observe.log.sink import LogFile
from imgsrv.pool.control.instances import prepare
from imgsrv.pool.worker.hooks import Hooks
from imgsrv.settings import load_configuration
from imgsrv.trusted_paths import open_here, real_path, steady, weakness

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root is led astray by others")

NOBODY = pwd.getpwnam("nobody").pw_uid

STAMP = "20261125-101500-000000"


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A folder of another user."""
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o755)
    os.chown(folder, NOBODY, NOBODY)
    return folder


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file that only root may read."""
    file = tmp_path / "secret"
    file.write_text("secret\n")
    file.chmod(0o600)
    return file


def unchanged(file: Path) -> bool:
    found = file.stat()
    return (file.read_text(), found.st_uid, found.st_mode & 0o777) == ("secret\n", 0, 0o600)


# ---- what root believes ---------------------------------------------------------------------------------


def test_a_file_is_believed_that_nobody_but_root_can_write_or_replace(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("file")
    assert weakness(tmp_path / "file") is weakness(tmp_path / "link") is weakness(tmp_path / "missing") is None


@pytest.mark.parametrize(
    ("mode", "owner", "group", "reason"),
    [
        pytest.param(0o644, NOBODY, 0, r"belongs to nobody and root believes only .*: chown root", id="theirs"),
        pytest.param(0o646, 0, 0, r"others may write to .*/file \(mode 0646\): chmod go-w", id="writable-by-all"),
        pytest.param(0o664, 0, NOBODY, r"others may write to .*/file \(mode 0664\)", id="writable-by-a-group"),
    ],
)
def test_a_file_that_others_can_write_is_named_with_what_to_change(
    tmp_path: Path, mode: int, owner: int, group: int, reason: str
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    file.chmod(mode)
    os.chown(file, owner, group)
    with pytest.raises(BadSetting, match=reason):
        load_configuration({}, file)


def test_a_file_in_a_folder_of_others_is_not_believed(theirs: Path) -> None:
    (theirs / "imgsrv.toml").write_text("port = 1\n")
    with pytest.raises(BadSetting, match=r"root does not read it: .*/theirs belongs to nobody"):
        load_configuration({}, theirs / "imgsrv.toml")


def test_a_hook_in_a_folder_of_others_is_not_run(theirs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (theirs / "strange_hook.py").write_text("def start(slot): raise SystemExit('it ran')\n")
    monkeypatch.chdir(theirs)
    monkeypatch.setattr("sys.path", [])
    (fault,) = Hooks("strange_hook:start").faults()
    assert "root does not run it" in str(fault)
    assert "theirs belongs to nobody" in str(fault)


def test_control_sockets_are_not_put_where_others_could_replace_their_folder(theirs: Path) -> None:
    with pytest.raises(BadRuntimeFolder, match="theirs belongs to nobody"):
        prepare(theirs / "run")


@pytest.mark.slow
def test_fonts_in_a_folder_of_others_are_not_opened(theirs: Path) -> None:
    os.mkfifo(theirs / "font.ttf")
    server = Server(f"--font-dir={theirs}")
    try:
        assert server.wait_exit() == 2
        assert "root does not read it" in server.other_lines[0]
    finally:
        server.stop()


# ---- links, pipes and second names ------------------------------------------------------------------------


def test_root_follows_a_link_only_where_nobody_else_can_make_one(tmp_path: Path, theirs: Path, secret: Path) -> None:
    (tmp_path / "link").symlink_to(secret)
    (theirs / "link").symlink_to(secret)
    assert real_path(tmp_path / "link") == secret
    with pytest.raises(OSError, match="is a symbolic link in a folder that others may write to"):
        real_path(theirs / "link")


def test_a_folder_that_is_renamed_meanwhile_is_still_the_same(theirs: Path, tmp_path: Path) -> None:
    with steady(theirs) as folder:
        theirs.rename(tmp_path / "elsewhere")
        theirs.symlink_to(tmp_path)
        (folder / "file").write_text("")
    assert [file.name for file in (tmp_path / "elsewhere").iterdir()] == ["file"]


def make(what: str, file: Path, secret: Path) -> None:
    """Put what another user could put in the place of a file."""
    if what == "a link":
        file.symlink_to(secret)
    elif what == "a second name":
        file.hardlink_to(secret)
    else:
        os.mkfifo(file)


@pytest.mark.parametrize("made", ["a link", "a second name", "a pipe"])
def test_a_log_file_in_a_folder_of_others_is_refused_if_it_may_be_somebody_elses(
    theirs: Path, secret: Path, made: str
) -> None:
    file = theirs / "imgsrv.log"
    make(made, file, secret)
    with pytest.raises(CannotWriteLog, match=r"symbolic link|one name"):
        LogFile(file)
    assert unchanged(secret)


def test_a_file_of_root_in_a_folder_of_others_is_not_given_away(theirs: Path, secret: Path) -> None:
    secret.rename(theirs / "imgsrv.log")
    with pytest.raises(CannotWriteLog, match="the workers do not own it"):
        LogFile(theirs / "imgsrv.log").give_to(NOBODY, NOBODY)
    assert (theirs / "imgsrv.log").stat().st_uid == 0


def test_a_log_file_that_is_made_in_a_folder_of_others_is_given_to_the_workers(theirs: Path) -> None:
    for _ in range(2):
        LogFile(theirs / "imgsrv.log").give_to(NOBODY, NOBODY)
    assert (theirs / "imgsrv.log").stat().st_uid == NOBODY


@pytest.mark.parametrize("made", ["a link", "a pipe", "a second name"])
def test_a_strange_file_with_the_name_of_a_rotated_log_is_left_alone(theirs: Path, secret: Path, made: str) -> None:
    strange = theirs / f"imgsrv.log.{STAMP}"
    make(made, strange, secret)
    rotator = Rotator(LogFile(theirs / "imgsrv.log"), Rotation(keep=1))
    rotator.delete_surplus()
    assert made == "a second name" or (rotated_files(rotator.path), rotator.next_to_compress()) == ([], None)
    if made == "a link":
        with pytest.raises(OSError, match="symbolic links"):
            compress.compress(strange)
    else:
        assert compress.compress(strange) == compress.EXIT_NOT_OURS
    assert unchanged(secret)


def test_a_compressed_log_belongs_to_the_owner_of_the_log(theirs: Path) -> None:
    file = theirs / f"imgsrv.log.{STAMP}"
    file.write_text("1\n")
    os.chown(file, NOBODY, NOBODY)
    assert compress.compress(file) == compress.EXIT_DONE
    assert (theirs / f"{file.name}.gz").stat().st_uid == NOBODY


def test_crash_reports_and_inputs_are_written_beside_links_and_not_through_them(theirs: Path, secret: Path) -> None:
    body = os.memfd_create("body")
    os.write(body, b"picture")
    before = secret.stat().st_mtime_ns
    (theirs / "x.input").symlink_to(secret)
    (theirs / "crash-1.json").symlink_to(secret)
    keep_report(Keeping(reports=theirs), {"slot": 1})
    path = keep_input(Keeping(inputs=theirs, max_bytes=100), Input(body, 0, 7), "x")
    os.close(body)
    assert path is not None
    assert (path.is_symlink(), path.read_bytes()) == (False, b"picture")
    assert (unchanged(secret), secret.stat().st_mtime_ns) == (True, before)


def test_a_file_that_nobody_else_can_have_put_there_is_opened_whatever_it_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "a").write_text("")
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    for name in ("pipe", "a", "b", "new"):
        descriptor, is_ours = open_here(tmp_path / name, os.O_RDWR, 0o600)
        os.close(descriptor)
        assert is_ours


# ---- a server -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_server_with_its_log_in_a_folder_of_its_workers_starts_rotates_and_serves() -> None:
    with tempfile.TemporaryDirectory() as folder:
        theirs = Path(folder)
        os.chown(theirs, NOBODY, NOBODY)
        os.mkfifo(theirs / f"imgsrv.log.{STAMP}")
        with serving("--workers=1", "--user=nobody", "--log-max-size=4000", log_file=theirs / "imgsrv.log") as server:
            for _ in range(12):
                assert is_flipped(ask(server, post("/flip", PNG)))
            wait_until(lambda: any(file.suffix == ".gz" for file in theirs.iterdir()), "a rotated log is compressed")
            assert (theirs / "imgsrv.log").stat().st_uid == NOBODY
            assert server.process.poll() is None


@pytest.mark.slow
def test_a_link_in_the_place_of_the_log_ends_the_start_and_its_target_is_not_given_away(
    theirs: Path, secret: Path
) -> None:
    (theirs / "imgsrv.log").symlink_to(secret)
    server = Server("--user=nobody", f"--log-file={theirs / 'imgsrv.log'}")
    try:
        assert server.wait_exit() == 2
        assert "is a symbolic link in a folder that others may write to" in server.other_lines[0]
        assert unchanged(secret)
    finally:
        server.stop()
