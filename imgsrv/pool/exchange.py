"""The exchange: one kernel queue from every front to every engine of the machine.

It is an `AF_UNIX` `SOCK_SEQPACKET` pair made before the fork.  A job is one message of fixed size with two
descriptors attached: the engine's end of a private reply socket; and a memfd with the request's body and, behind it,
the plan.  The reply comes first, so that an engine with room for one descriptor only can still say so.  Whichever
engine is free receives the next message: the kernel is the queue and it is first in, first out; nothing is shared in
Python.

The reply socket is the life line in both directions.  A front that closes it tells the engine that nobody waits;
an engine that dies closes it by dying, which the front reads as WorkerLost.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import errno
import fcntl
import os
import select
import socket
import stat
import struct
import termios
from dataclasses import dataclass

from imgsrv.errors import OutOfResources, WorkerLost
from imgsrv.resources import FOR_ENGINE, RETRY_AFTER_S, is_scarce, needing

MESSAGE = struct.Struct("<QQd")
"""Where the plan starts in the memfd, its length, and the job's deadline on the monotonic clock."""

PARCEL_DESCRIPTORS = 2
"""The reply and the body."""

QUEUE_BYTES = 4 << 20
"""Asked of the kernel for the queue; it grants what net.core.wmem_max allows, or all of it to root."""

REPLY_BYTES = 65_536

SO_SNDBUFFORCE = 32

Reply = tuple[bytes, int | None]
"""What the engine says, and a descriptor of the memfd with the result if there is one."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A job as an engine receives it; the engine closes both ends when it is done."""

    body: int
    plan: bytes
    deadline: float
    reply: socket.socket

    def is_abandoned(self) -> bool:
        """Nobody waits for the reply any more."""
        try:
            return not self.reply.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def answer(self, message: bytes, result: int | None) -> None:
        """Send the reply and let go of the job; a front that has gone meanwhile is no fault.

        Raises ValueError for a message too long, and OSError where the kernel has no room for it; the job is kept.
        """
        send_reply(self.reply, message, result)
        self.close()

    def close(self) -> None:
        """Let go of the body and of the reply, answered or not."""
        os.close(self.body)
        self.reply.close()


class UnreadableJob(ValueError):
    """A message that is no job.  reply: where its sender waits for an answer, if that much could be read."""

    def __init__(self, reason: str, reply: socket.socket | None) -> None:
        super().__init__(reason)
        self.reply = reply


class Exchange:
    """Both ends of the queue; every worker inherits them."""

    def __init__(self) -> None:
        self._fronts, self._engines = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for option in (socket.SO_SNDBUF, SO_SNDBUFFORCE):
            try:
                self._fronts.setsockopt(socket.SOL_SOCKET, option, QUEUE_BYTES)
            except PermissionError:
                # Without privileges the plain option has already given what the kernel grants.
                continue
        self._fronts.setblocking(False)
        self._engines.setblocking(False)

    def waiting(self) -> int:
        """Jobs that no engine has taken yet, as the kernel counts them."""
        size = array.array("i", [0])
        fcntl.ioctl(self._engines, termios.FIONREAD, size)
        return size[0] // MESSAGE.size

    def submit(self, body: int, plan_start: int, plan_size: int, deadline: float) -> asyncio.Future[Reply]:
        """Queue a job; the future gives its reply, and cancelling it abandons the job.

        Raises OutOfResources where the queue is full or no descriptor left.  The future raises WorkerLost where the
        engine died, and OutOfResources where there is no descriptor for the result.
        """
        with needing("the reply to the job"):
            ours, theirs = _reply_pair()
        with theirs:
            try:
                message = MESSAGE.pack(plan_start, plan_size, deadline)
                with needing("the job in the queue"):
                    socket.send_fds(self._fronts, [message], [theirs.fileno(), body])
            except BaseException:
                ours.close()
                raise
        return _reply_future(ours)

    def receive(self) -> Parcel | None:
        """The next job; None where another engine was faster.

        Raises UnreadableJob for a message that is none, and OSError where none can be received.
        """
        try:
            message, descriptors, flags, _address = socket.recv_fds(self._engines, MESSAGE.size + 1, PARCEL_DESCRIPTORS)
        except BlockingIOError:
            return None
        try:
            return _parcel(message, descriptors, flags)
        except (ValueError, struct.error, OSError, MemoryError) as error:
            reason = f"{len(message)} bytes with {len(descriptors)} descriptors are no job: {error}"
            raise UnreadableJob(reason, _salvaged(descriptors)) from error

    def watch(self, stop: int) -> select.epoll:
        """A poll that wakes for a job, one idle engine each, and for the descriptor `stop`."""
        poll = select.epoll()
        # Exclusive: a job wakes one engine instead of all that are idle.
        poll.register(self._engines, select.EPOLLIN | select.EPOLLEXCLUSIVE)
        poll.register(stop, select.EPOLLIN)
        return poll


def send_reply(reply: socket.socket, message: bytes, result: int | None) -> None:
    """Send what an engine says.  Raises ValueError for a message too long, OSError where there is no room for it."""
    if len(message) > REPLY_BYTES:
        raise ValueError(f"a reply of {len(message)} bytes; the most is {REPLY_BYTES}")
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        socket.send_fds(reply, [message], [] if result is None else [result])


def _reply_pair() -> tuple[socket.socket, socket.socket]:
    """Both ends of a reply; the kernel's own error where the descriptors left are an engine's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    if is_scarce(max(ours.fileno(), theirs.fileno()), FOR_ENGINE):
        ours.close()
        theirs.close()
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    return ours, theirs


def _parcel(message: bytes, descriptors: list[int], flags: int) -> Parcel:
    if flags & socket.MSG_CTRUNC and len(descriptors) < PARCEL_DESCRIPTORS:
        raise ValueError("no more descriptors were free")
    reply, body = descriptors
    plan_start, plan_size, deadline = MESSAGE.unpack(message)
    if plan_start + plan_size > os.fstat(body).st_size:
        raise ValueError("the plan lies outside its file")
    return Parcel(body, os.pread(body, plan_size, plan_start), deadline, socket.socket(fileno=reply))


def _salvaged(descriptors: list[int]) -> socket.socket | None:
    """Of the descriptors of a message that is no job the reply, if it is one; the others are closed."""
    found = None
    for descriptor in descriptors:
        if found is None and stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            found = socket.socket(fileno=descriptor)
        else:
            os.close(descriptor)
    return found


def _reply_future(reply: socket.socket) -> asyncio.Future[Reply]:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Reply] = loop.create_future()

    def read() -> None:
        try:
            message, descriptors, flags, _address = socket.recv_fds(reply, REPLY_BYTES, 1)
        except OSError:
            message, descriptors, flags = b"", [], 0
        if future.done():
            for descriptor in descriptors:
                os.close(descriptor)
        elif flags & socket.MSG_CTRUNC:
            reason = f"the server has no room for the result ({os.strerror(errno.EMFILE)})"
            future.set_exception(OutOfResources(reason, RETRY_AFTER_S))
        elif message:
            future.set_result((message, descriptors[0] if descriptors else None))
        else:
            future.set_exception(WorkerLost())

    def close(_: object) -> None:
        loop.remove_reader(reply)
        reply.close()

    loop.add_reader(reply, read)
    future.add_done_callback(close)
    return future
