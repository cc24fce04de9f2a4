"""The crash box: the master finds in it the job of a worker that has died.

It is a pair of sockets that the master holds too.  A descriptor in a socket's queue lives as long as the socket.  The
engine puts the descriptor of the job's body in before it begins, and takes it out when it is done.  So the body with
its plan is still there, however the process ends in between.  The master does not listen on the box, so a job wakes
nobody.  The box also has a memory file for the stacks that a dying process may write.
"""

from __future__ import annotations

import array
import contextlib
import faulthandler
import fcntl
import json
import os
import socket
import stat
import struct
import termios
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from imgsrv.pool.descriptors import received

NOTE = struct.Struct("<QQ")
"""The start of the plan in the body's file, and its length."""

LONGEST_REASON = 32
"""Bytes of the reason for which a codec died, such as SIGSEGV."""

LEFT = NOTE.size + LONGEST_REASON
"""The length of a note of a job whose codec died, so that waiting ones can be counted."""

MOST_LEFT = 2
"""More jobs whose codec died do not wait for the master: each is a copy of a body in memory."""

STACK_BYTES = 65_536

LONGEST_PLAN = 2 << 20
"""A bound for a broken note; a plan has the length of a request's headers, which is at most 1 MiB."""

LONGEST_FACT = 4096
"""Characters of a fact for the log."""


@dataclass(frozen=True, slots=True)
class Remains:
    """The remains of a dead worker.  body: the descriptor of its current job's body; None if it had no job.

    stack: of all its threads, as faulthandler wrote it; empty if it could not.
    """

    body: int | None
    plan: bytes
    stack: str


Facts = dict[str, Any]


def believable_facts(facts: Callable[[bytes], Facts], plan: bytes) -> Facts:
    """Return the facts of a plan, cut to a length that fits a log.  The plan comes from a worker and may be anything.

    facts: returns what of a plan is for the log.
    """
    try:
        found = facts(plan)
    # Whatever a worker has written there, it must not end the master.
    except Exception as error:  # noqa: BLE001
        return {"plan": f"unreadable: {type(error).__name__}"}
    return {name: _cut(value) for name, value in found.items()}


def _cut(value: Any) -> Any:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return value if len(text) <= LONGEST_FACT else f"{text[:LONGEST_FACT]}…"


def _plan(note: bytes, body: int) -> bytes:
    """Return the plan that a note points to; empty for a broken note, which must not end the master."""
    try:
        start, size = NOTE.unpack(note)
        return os.pread(body, min(size, LONGEST_PLAN), start)
    except (struct.error, OverflowError, OSError):
        return b""


class CrashBox:
    """The crash box of one worker.  The master makes it, the engine uses it.

    passed: its descriptors, which the image of the master before has passed on.
    """

    def __init__(self, passed: Sequence[int] = ()) -> None:
        if passed:
            stack, *ends = map(received, passed)
            self._inside, self._outside, self._leave, self._found = (socket.socket(fileno=end) for end in ends)
        else:
            stack = os.memfd_create("imgsrv-stack")
            self._inside, self._outside = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._leave, self._found = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in self._sockets:
            end.setblocking(False)
        self._stack = os.fdopen(stack, "r+b", buffering=0)

    def dump(self) -> list[int]:
        """Return what the next image of the master needs of it."""
        return [self._stack.fileno(), *(end.fileno() for end in self._sockets)]

    @property
    def _sockets(self) -> tuple[socket.socket, ...]:
        return self._inside, self._outside, self._leave, self._found

    def watch_signals(self) -> None:
        """In the worker: let a signal such as SIGSEGV write the stacks of all threads here."""
        faulthandler.enable(self._stack)

    @contextlib.contextmanager
    def ending_after(self, seconds: float) -> Iterator[None]:
        """In the worker: end the process, with the stacks of all threads here, if the block takes longer.

        Nothing in the block can prevent it, neither a signal handler nor code that keeps the interpreter's lock.
        """
        faulthandler.dump_traceback_later(seconds, file=self._stack, exit=True)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()

    def put(self, body: int, plan_start: int, plan_size: int) -> None:
        """Note the job that begins.  If the box has no room, a crash report has no input."""
        with contextlib.suppress(OSError):
            socket.send_fds(self._inside, [NOTE.pack(plan_start, plan_size)], [body])

    def clear(self) -> None:
        """Clear the box, because the job is done.  The kernel closes the descriptor, because none is asked for."""
        with contextlib.suppress(BlockingIOError):
            self._outside.recv(NOTE.size)

    def leave(self, body: int, plan_start: int, plan_size: int, reason: str) -> None:
        """Leave a copy of a job whose codec has died; its own file is used again.

        Without room, and while MOST_LEFT jobs wait for the master, there is no copy and no report.
        """
        with contextlib.suppress(OSError):
            if self._waiting() >= MOST_LEFT:
                return
            copy = os.memfd_create("imgsrv-crash")
            try:
                at = 0
                while at < plan_start + plan_size and (
                    sent := os.sendfile(copy, body, at, plan_start + plan_size - at)
                ):
                    at += sent
                note = NOTE.pack(plan_start, plan_size) + reason.encode(errors="replace")[:LONGEST_REASON]
                socket.send_fds(self._leave, [note.ljust(LEFT, b"\0")], [copy])
            finally:
                os.close(copy)

    def _waiting(self) -> int:
        """The number of jobs that `leave` has left and the master has not taken."""
        size = array.array("i", [0])
        fcntl.ioctl(self._found, termios.FIONREAD, size)
        return -(-size[0] // LEFT)

    def left(self) -> tuple[Remains, str] | None:
        """Return a job that `leave` has left, and why its codec died.  The caller closes the body's descriptor."""
        try:
            note, descriptors, _flags, _address = socket.recv_fds(self._found, LEFT, 1)
        except OSError:
            return None
        body = self._checked(descriptors)
        remains = Remains(body, _plan(note[: NOTE.size], body) if body is not None else b"", "")
        return remains, note[NOTE.size :].rstrip(b"\0").decode(errors="replace")

    def facts(self, facts: Callable[[bytes], Facts]) -> Facts:
        """Return the facts of the current job, cut to a bearable length; empty if there is no job.

        facts: returns what of a plan is for the log.
        """
        plan = self.plan()
        return believable_facts(facts, plan) if plan else {}

    def plan(self) -> bytes:
        """Return the plan of the current job, which stays in the box; empty if there is none."""
        body, plan = self._received(socket.MSG_PEEK)
        if body is not None:
            os.close(body)
        return plan

    def open(self) -> Remains:
        """Return what the worker left.  The caller closes the body's descriptor."""
        stack = os.pread(self._stack.fileno(), STACK_BYTES, 0).decode(errors="replace")
        return Remains(*self._received(), stack)

    def _received(self, flags: int = 0) -> tuple[int | None, bytes]:
        descriptors = array.array("i")
        try:
            # socket.recv_fds drops its flags: what is only looked at would be taken out (findings/).
            note, rights, _flags, _address = self._outside.recvmsg(
                NOTE.size, socket.CMSG_LEN(descriptors.itemsize), flags
            )
        except BlockingIOError:
            return None, b""
        for level, kind, data in rights:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                descriptors.frombytes(data[: len(data) // descriptors.itemsize * descriptors.itemsize])
        body = self._checked(descriptors)
        return (None, b"") if body is None else (body, _plan(note, body))

    def _checked(self, descriptors: Sequence[int]) -> int | None:
        """Return the descriptor that has come with a note; None for none, and for what is no memory file."""
        if descriptors and not self._is_memory(descriptors[0]):
            os.close(descriptors[0])
            return None
        return descriptors[0] if descriptors else None

    def _is_memory(self, descriptor: int) -> bool:
        """Return whether it is a memory file, as each body is.  A read of anything else could wait for ever."""
        found = os.fstat(descriptor)
        return stat.S_ISREG(found.st_mode) and found.st_dev == os.fstat(self._stack.fileno()).st_dev

    def close(self) -> None:
        """Close it: in the master after the worker's death, in a worker the boxes of other workers."""
        for end in self._sockets:
            end.close()
        self._stack.close()
