"""The exchange: one kernel queue from every front to every engine of the machine.

It is an `AF_UNIX` `SOCK_SEQPACKET` pair made before the fork.  A job is one message of fixed size with two
descriptors attached: a memfd with the request's body and, behind it, the plan; and the engine's end of a private
reply socket.  Whichever engine is free receives the next message: the kernel is the queue and it is first in,
first out; nothing is shared in Python.

The reply socket is the life line in both directions.  A front that closes it tells the engine that nobody waits;
an engine that dies closes it by dying, which the front reads as WorkerLost.
"""

from __future__ import annotations

import array
import asyncio
import fcntl
import os
import select
import socket
import struct
import termios
from dataclasses import dataclass

from imgsrv.errors import Overloaded, WorkerLost

MESSAGE = struct.Struct("<QQd")
"""Where the plan starts in the memfd, its length, and the job's deadline on the monotonic clock."""

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
        """Send the reply; a front that has gone meanwhile is no fault.  Raises ValueError for a message too long."""
        if len(message) > REPLY_BYTES:
            raise ValueError(f"a reply of {len(message)} bytes; the most is {REPLY_BYTES}")
        try:
            socket.send_fds(self.reply, [message], [] if result is None else [result])
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the body and of the reply, answered or not."""
        os.close(self.body)
        self.reply.close()


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

        Raises Overloaded where the queue is full.  The future raises WorkerLost where the engine died.
        """
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError as error:
            raise Overloaded(f"the server is out of descriptors ({error.strerror})", retry_after_s=1) from error
        ours.setblocking(False)
        with theirs:
            try:
                message = MESSAGE.pack(plan_start, plan_size, deadline)
                socket.send_fds(self._fronts, [message], [body, theirs.fileno()])
            except OSError as error:
                ours.close()
                raise Overloaded(f"the queue of the server is full ({error.strerror})", retry_after_s=1) from error
        return _reply_future(ours)

    def receive(self) -> Parcel | None:
        """The next job; None where another engine was faster.  Raises ValueError for a message that is no job."""
        try:
            message, descriptors, _flags, _address = socket.recv_fds(self._engines, MESSAGE.size, 2)
        except BlockingIOError:
            return None
        try:
            body, reply = descriptors
            plan_start, plan_size, deadline = MESSAGE.unpack(message)
            return Parcel(body, _plan(body, plan_start, plan_size), deadline, socket.socket(fileno=reply))
        except (ValueError, struct.error, OSError) as error:
            for descriptor in descriptors:
                os.close(descriptor)
            raise ValueError(f"{len(message)} bytes with {len(descriptors)} descriptors are no job: {error}") from error

    def watch(self, stop: int) -> select.epoll:
        """A poll that wakes for a job, one idle engine each, and for the descriptor `stop`."""
        poll = select.epoll()
        # Exclusive: a job wakes one engine instead of all that are idle.
        poll.register(self._engines, select.EPOLLIN | select.EPOLLEXCLUSIVE)
        poll.register(stop, select.EPOLLIN)
        return poll


def _plan(file: int, start: int, size: int) -> bytes:
    if start + size > os.fstat(file).st_size:
        raise ValueError("the plan lies outside its file")
    return os.pread(file, size, start)


def _reply_future(reply: socket.socket) -> asyncio.Future[Reply]:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Reply] = loop.create_future()

    def read() -> None:
        try:
            message, descriptors, _flags, _address = socket.recv_fds(reply, REPLY_BYTES, 1)
        except OSError:
            message, descriptors = b"", []
        if future.done():
            for descriptor in descriptors:
                os.close(descriptor)
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
