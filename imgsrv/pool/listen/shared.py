"""One listening socket for the whole pool: a unix socket for a proxy in front, or one that systemd has bound.

Every worker accepts from it.  Which one does makes no difference to the work, because the engines share one queue.
"""

from __future__ import annotations

import contextlib
import os
import select
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from socket import AF_UNIX, SO_ACCEPTCONN, SO_TYPE, SOCK_STREAM, SOL_SOCKET, socket
from typing import Any, Self

from imgsrv.errors import CannotListen
from imgsrv.pool.listen.lockfile import lock
from imgsrv.pool.reload.exec import received

LONGEST_PATH = 107
"""Bytes of a unix socket's path: `sun_path` of linux/un.h, less the zero at its end."""

FIRST_INHERITED = 3
"""The descriptor of the first socket that systemd hands over: SD_LISTEN_FDS_START."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a unix socket is to be and who may connect to it; -1 leaves it the server's own."""

    mode: int = 0o660
    user: int = -1
    group: int = -1


class SharedListener:
    """A listening socket that all slots share; see `Listening`."""

    port = 0
    has_queues = False

    def __init__(self, listening: socket) -> None:
        listening.setblocking(False)
        self._socket = listening
        address = listening.getsockname()
        if listening.family == AF_UNIX:
            self.name = self.url = f"unix:{os.fsdecode(address)}"
        else:
            host = f"[{address[0]}]" if ":" in address[0] else address[0]
            self.port, self.name = int(address[1]), f"{host}:{address[1]}"
            self.url = f"http://{host.replace('[::]', '[::1]').replace('0.0.0.0', '127.0.0.1')}:{address[1]}"  # noqa: S104

    def for_slot(self, _slot: int) -> socket:
        """The one socket."""
        return self._socket

    def choose(self, _slots: Sequence[int]) -> None:
        """Whoever accepts is ready: there is nothing to steer."""

    def handover(self) -> dict[str, Any]:
        """What the next image needs to go on listening."""
        return {"sockets": [self._socket.fileno()]}

    def close_last(self, _slot: int) -> None:
        """It stays every other slot's."""

    def turn_away(self, _slot: int) -> None:
        """What waits, waits for any of the slots."""

    def leave(self) -> None:
        """The workers have copies."""
        self._socket.close()

    def keep_only(self, _slot: int) -> None:
        """It is every slot's."""

    def refuse_new(self, _slot: int) -> None:
        """It stays systemd's: who waits in it, or comes, is served by the next instance."""

    def let_go(self) -> None:
        """There is nothing else."""

    def has_waiting(self, _slot: int) -> bool:
        """The same: nobody who waits is lost when this server goes."""
        return False

    def close(self) -> None:
        """Let go of it."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class SystemdListener(SharedListener):
    """The socket that systemd has bound and handed over.  Raises CannotListen for another number than one.

    Its own descriptor stays open as it came, so that whatever this process executes in its place finds it there too.
    """

    def __init__(self, count: int, passed: Mapping[str, Any] | None = None) -> None:
        if passed is not None:
            super().__init__(socket(fileno=received(passed["sockets"][0])))
            return
        if count != 1:
            reason = f"there are {count}; give one ListenStream= to the .socket unit"
            raise CannotListen("the sockets of systemd", reason)
        found = socket(fileno=os.dup(FIRST_INHERITED))
        if found.getsockopt(SOL_SOCKET, SO_TYPE) != SOCK_STREAM or not found.getsockopt(SOL_SOCKET, SO_ACCEPTCONN):
            found.close()
            raise CannotListen(
                "the socket of systemd", "it does not listen for streams; use ListenStream= and Accept=no"
            )
        super().__init__(found)

    def handover(self) -> dict[str, Any]:
        """What the next image needs to go on listening, also in its trial, which systemd has given nothing."""
        return {**super().handover(), "count": 1}

    def keep_only(self, _slot: int) -> None:
        """Close systemd's descriptor, which nothing that a worker starts has any use for."""
        os.close(FIRST_INHERITED)


class UnixListener(SharedListener):
    """A unix socket of this server's own, with its file and, beside it, its lock.  Raises CannotListen.

    The lock is a file in the same folder: only who may make a socket there can take it, as a name in the kernel any
    user could; it is as long as the path needs; and it holds for whoever sees the socket, in whichever container.

    passed: what an earlier image of this process has handed over.
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

    def handover(self) -> dict[str, Any]:
        """What the next image needs to go on listening."""
        return {**super().handover(), "lock": self._lock}

    def leave(self) -> None:
        """Remove the file, so that nobody finds the socket any more; those who wait in it are still accepted."""
        self._remove()
        super().leave()

    def keep_only(self, _slot: int) -> None:
        """Close the lock; the socket is every slot's."""
        if self._lock is not None:
            os.close(self._lock)

    def refuse_new(self, _slot: int) -> None:
        """Remove the file, if this user may: else the master does."""
        self._remove()

    def has_waiting(self, _slot: int) -> bool:
        """Whether connections wait, or the master, where it lives, has yet to remove the file."""
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
        """Give the lock back, once; its file goes first, while nobody else can have it."""
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
        # Nobody could connect until its owner is right.
        os.chown(self._path, owner.user, owner.group)
        self._path.chmod(owner.mode)

    def _clear(self) -> None:
        """Remove what a server left that was killed; never a file that is no socket or that somebody listens on."""
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
                pass  # its queue is full, so it has one
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
    """Which file it is; None where there is none."""
    with contextlib.suppress(OSError):
        found = path.lstat()
        return found.st_dev, found.st_ino
    return None
