"""The place where running instances are found: a folder of the user's, with a socket and a lock file for each name.

The process that holds the lock (pool/listen/lockfile.py) is the instance; a socket without a holder is stale.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from socket import AF_UNIX, SOCK_STREAM, socket
from typing import Any, Self

from imgsrv.errors import BadRuntimeFolder, NameTaken
from imgsrv.pool.descriptors import received
from imgsrv.pool.listen.lockfile import lock
from imgsrv.pool.listen.unix import LONGEST_PATH
from imgsrv.trusted_paths import weakness

BACKLOG = 64

WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class Place:
    """The place of the socket and the lock file of an instance."""

    folder: Path
    name: str

    @property
    def socket(self) -> Path:
        """The control socket."""
        return self.folder / f"{self.name}.sock"

    @property
    def lock(self) -> Path:
        """The file whose lock the instance holds."""
        return self.folder / f"{self.name}.lock"


class Claim:
    """A name that this process holds: its lock and its listening control socket.

    is_heir: the last instance of the name was killed, so its workers may still be on their way out.
    """

    def __init__(self, place: Place, lock: int, listening: socket, *, is_heir: bool) -> None:
        self.place, self.lock, self.listening, self.is_heir = place, lock, listening, is_heir

    def let_go(self) -> None:
        """In a child that must not hold the name: close what it inherited."""
        self.listening.close()
        os.close(self.lock)

    def close(self) -> None:
        """Give the name back.  The files are removed first, while no other process can hold it."""
        for file in (self.place.socket, self.place.lock):
            try:
                file.unlink(missing_ok=True)
            except OSError:
                # A master that changed its user may not remove them; the next instance of the name finds them stale.
                continue
        self.let_go()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def claim(place: Place) -> Claim:
    """Claim a name.  Raises BadRuntimeFolder if the folder cannot be trusted, NameTaken if another process holds it."""
    _check_length(place)
    prepare(place.folder)
    locked = _locked(place)
    is_heir = place.socket.exists()
    try:
        listening = _listening(place)
    except BaseException:
        os.close(locked)
        raise
    return Claim(place, locked, listening, is_heir=is_heir)


def load(place: Place, passed: Mapping[str, Any]) -> Claim:
    """The claim that the image before has passed on."""
    return Claim(place, received(passed["lock"]), socket(fileno=received(passed["listening"])), is_heir=False)


def prepare(folder: Path) -> None:
    """Make the folder, for this user alone, and check it.  Raises BadRuntimeFolder."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BadRuntimeFolder(str(folder), f"it cannot be made ({error.strerror})") from error
    check(folder)


def check(folder: Path) -> None:
    """Raise BadRuntimeFolder if another user could put a socket into the folder."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise BadRuntimeFolder(str(folder), "it is no folder")
    if found.st_uid not in (os.geteuid(), 0):
        raise BadRuntimeFolder(str(folder), f"it belongs to user {found.st_uid}, and this is user {os.geteuid()}")
    if found.st_mode & WRITABLE_BY_OTHERS:
        raise BadRuntimeFolder(str(folder), f"others may write to it (mode {stat.S_IMODE(found.st_mode):04o})")
    if (fault := weakness(folder)) is not None:
        raise BadRuntimeFolder(str(folder), fault)


def names(folder: Path) -> list[str]:
    """Return the names that have a socket in the folder, stale ones too."""
    return sorted(file.stem for file in folder.glob("*.sock"))


def _check_length(place: Place) -> None:
    length = len(os.fsencode(place.socket))
    if length > LONGEST_PATH:
        reason = f"the path of its socket would have {length} bytes and may have {LONGEST_PATH}"
        raise BadRuntimeFolder(str(place.folder), reason)


def _locked(place: Place) -> int:
    """Return the descriptor of the lock file, locked by this process."""
    try:
        descriptor = lock(place.lock)
    except OSError as error:
        raise BadRuntimeFolder(str(place.folder), f"no lock can be made in it ({error.strerror})") from error
    if descriptor is None:
        raise NameTaken(place.name, str(place.folder))
    return descriptor


def _listening(place: Place) -> socket:
    listening = socket(AF_UNIX, SOCK_STREAM)
    try:
        # This process holds the lock, so no process listens on a socket that is there.
        place.socket.unlink(missing_ok=True)
        # The folder keeps other users out until the socket has its mode.
        listening.bind(str(place.socket))
        place.socket.chmod(0o600)
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise BadRuntimeFolder(str(place.folder), f"no socket can be made in it ({error.strerror})") from error
    return listening
