"""Names of instances: who owns a name, where its socket is, and which folders are refused as unsafe."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from imgsrv.errors import BadRuntimeFolder, NameTaken
from imgsrv.pool.control.instances import Place, claim, names
from imgsrv.pool.listen.unix import LONGEST_PATH


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "runtime", "default")


def test_the_folder_and_the_socket_are_for_their_user_alone(place: Place) -> None:
    with claim(place):
        assert place.folder.stat().st_mode & 0o777 == 0o700
        assert place.socket.stat().st_mode & 0o777 == 0o600
        assert names(place.folder) == ["default"]


def test_releasing_a_name_removes_all_its_files(place: Place) -> None:
    with claim(place):
        pass
    assert list(place.folder.iterdir()) == []


def test_only_one_instance_can_have_a_name(place: Place) -> None:
    with claim(place), pytest.raises(NameTaken, match="'default' runs already"):
        claim(place)


def test_two_names_can_share_a_folder(place: Place) -> None:
    with claim(place), claim(Place(place.folder, "other")):
        assert names(place.folder) == ["default", "other"]


def test_the_files_of_a_killed_instance_are_replaced(place: Place) -> None:
    program = "import os, sys; from imgsrv.pool.control.instances import *; from pathlib import Path; claim(Place(Path(sys.argv[1]), 'default')); os.kill(os.getpid(), 9)"  # noqa: E501
    subprocess.run([sys.executable, "-c", program, str(place.folder)], check=False)
    assert place.socket.exists()
    with claim(place) as taken:
        assert taken.is_heir
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(place.socket))


def test_the_process_number_in_a_lock_file_has_no_effect(place: Place) -> None:
    place.folder.mkdir(mode=0o700)
    place.lock.write_text(f"{os.getpid()}\n")
    with claim(place) as taken:
        assert not taken.is_heir


def test_a_folder_that_others_may_write_to_is_refused(place: Place) -> None:
    place.folder.mkdir()
    place.folder.chmod(0o777)
    with pytest.raises(BadRuntimeFolder, match=r"others may write to it \(mode 0777\).*--runtime-dir"):
        claim(place)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused(place: Place) -> None:
    place.folder.mkdir(mode=0o700)
    os.chown(place.folder, 12_345, 12_345)
    with pytest.raises(BadRuntimeFolder, match="it belongs to user 12345, and this is user 0"):
        claim(place)


def test_a_link_to_a_folder_is_refused(place: Place, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    place.folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadRuntimeFolder, match="it is no folder"):
        claim(place)


def test_a_lock_that_cannot_be_created_is_refused_with_the_reason(place: Place, tmp_path: Path) -> None:
    place.folder.mkdir(mode=0o700)
    place.lock.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadRuntimeFolder, match=r"no lock can be made in it \(Too many levels of symbolic links\)"):
        claim(place)


def test_a_file_in_place_of_the_folder_is_refused(place: Place) -> None:
    place.folder.write_text("")
    with pytest.raises(BadRuntimeFolder, match="it cannot be made"):
        claim(place)


def test_a_path_that_is_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * LONGEST_PATH)
    with pytest.raises(BadRuntimeFolder, match=f"and may have {LONGEST_PATH}; choose another with --runtime-dir"):
        claim(Place(folder, "default"))
    assert not folder.exists()
