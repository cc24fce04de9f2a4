"""A listening Unix socket, for a proxy on the same machine."""

from __future__ import annotations

import contextlib
import os
import select
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from socket import AF_UNIX, SOCK_STREAM, socket
from typing import Any

from imgsrv.errors import CannotListen
from imgsrv.pool.descriptors import received
from imgsrv.pool.listen.base import SharedListener
from imgsrv.pool.listen.lockfile import lock

LONGEST_PATH = 107
"""Bytes of a Unix socket's path: `sun_path` of linux/un.h, less the zero at its end."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner and mode of a Unix socket's file; -1 leaves the user or group that of the server."""

    mode: int = 0o660
    user: int = -1
    group: int = -1


class UnixListener(SharedListener):
    """A Unix socket of this server's own: its file, and a lock file beside it.

    The lock is a file in the same folder, and no name in the kernel: only users who may make a socket there can take
    it, its name may be as long as the path needs, and it works for every container that sees the socket. passed: the
    state from the image before.  Raises CannotListen.
    """

    def __init__(self, path: Path, backlog: int, owner: Owner, passed: Mapping[str, Any] | None = None) -> None:
        self._path = path.absolute()
        self._master = os.getpid()
        self._lock_file = self._path.with_name(f"{self._path.name}.lock")
        self._file: tuple[int, int] | None = None
        self._lock: int | None
        if passed is not None:
            self._lock, self._file = received(passed["lock"]), _identity(self._path)
            super().__init__(socket(fileno=received(passed["sockets"][0])))
            return
        self._check_length()
        with contextlib.ExitStack() as undo:
            self._lock = self._locked()
            undo.callback(self._unlock)
            listening = undo.enter_context(socket(AF_UNIX, SOCK_STREAM))
            undo.callback(self._remove)
            try:
                self._take(listening, owner)
                listening.listen(backlog)
            except OSError as error:
                raise self._refused(error.strerror or str(error)) from error
            undo.pop_all()
        super().__init__(listening)

    def dump(self) -> dict[str, Any]:
        """Return what the next image needs to go on listening."""
        return {**super().dump(), "lock": self._lock}

    def leave(self) -> None:
        """Remove the file, so that no client finds the socket any more; those who wait in it are still accepted."""
        self._remove()
        super().leave()

    def keep_only(self, _slot: int) -> None:
        """Close the lock; every slot uses the socket."""
        if self._lock is not None:
            os.close(self._lock)

    def refuse_new(self, _slot: int) -> None:
        """Remove the file, if this user may; otherwise the master does."""
        self._remove()

    def has_waiting(self, _slot: int) -> bool:
        """Return whether connections wait, or a living master has not removed the file yet."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0)) or (os.getppid() == self._master and _identity(self._path) == self._file)

    def close(self) -> None:
        """Remove the file and let go of the lock."""
        self._remove()
        super().close()
        self._unlock()

    def _locked(self) -> int:
        try:
            descriptor = lock(self._lock_file)
        except OSError as error:
            raise self._refused(f"its lock {self._lock_file} cannot be made: {error.strerror}") from error
        if descriptor is None:
            raise self._refused(f"another imgsrv already serves this socket: it holds {self._lock_file}")
        return descriptor

    def _unlock(self) -> None:
        """Give the lock back, once.  Its file is removed first, while no other process can hold it."""
        if self._lock is not None:
            with contextlib.suppress(OSError):
                self._lock_file.unlink()
            os.close(self._lock)
            self._lock = None

    def _take(self, listening: socket, owner: Owner) -> None:
        self._clear()
        before = os.umask(0o777)
        try:
            listening.bind(str(self._path))
        finally:
            os.umask(before)
        self._file = _identity(self._path)
        # Others may be able to put a link in its place; a descriptor stays with what it was opened for.
        descriptor = os.open(self._path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISSOCK(found.st_mode) or (found.st_dev, found.st_ino) != self._file:
                raise self._refused("another process has replaced the file of the socket")
            # No client can connect before the owner is right.
            os.chown(f"/proc/self/fd/{descriptor}", owner.user, owner.group)
            Path(f"/proc/self/fd/{descriptor}").chmod(owner.mode)
        finally:
            os.close(descriptor)

    def _clear(self) -> None:
        """Remove the socket of a server that was killed; never another file, or a socket that a process listens on."""
        try:
            mode = self._path.lstat().st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(mode):
            raise self._refused("the file is no socket, so it is not replaced; remove it or choose another --host")
        with socket(AF_UNIX, SOCK_STREAM) as probe:
            probe.setblocking(False)
            try:
                probe.connect(str(self._path))
            except ConnectionRefusedError:
                self._path.unlink()
                return
            except BlockingIOError:
                pass  # its queue is full, so a process listens
        raise self._refused("another process already listens there; stop it or choose another --host", is_taken=True)

    def _remove(self) -> None:
        with contextlib.suppress(OSError):
            if _identity(self._path) == self._file:
                self._path.unlink()

    def _check_length(self) -> None:
        if (length := len(os.fsencode(self._path))) > LONGEST_PATH:
            raise self._refused(f"the path has {length} bytes and may have {LONGEST_PATH}; choose a shorter --host")

    def _refused(self, reason: str, *, is_taken: bool = False) -> CannotListen:
        return CannotListen(f"unix:{self._path}", reason, is_taken)


def _identity(path: Path) -> tuple[int, int] | None:
    """Return the device and number of a file; None if there is none."""
    with contextlib.suppress(OSError):
        found = path.lstat()
        return found.st_dev, found.st_ino
    return None
