"""The exchange: one kernel queue from every front to every engine of the machine.

It is an `AF_UNIX` `SOCK_SEQPACKET` pair made before the fork.  A job is one message of fixed size with two
descriptors: the write end of a private pipe, and a memory file with the request's body and, behind it, the plan.  The
first idle engine receives the next message.  The kernel is the queue, first in, first out; Python shares nothing.

There are three such pairs: for cheap jobs, for express ones, which go before these, and for dear ones.

The engine writes its answer behind the plan, into pages that are warm if the file was used before, and sends its place
through the pipe.  The pipe also tells each side when the other has gone.  A front that closes it tells the engine that
nobody waits; the death of an engine closes it, which the front reads as WorkerLost.  It is a pipe, because closing a
Unix socket while another one is in flight starts the kernel's garbage collector for descriptors.
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

from imgsrv.errors import ImgsrvError, InternalError, JobKilled, WorkerLost
from imgsrv.shortages import FOR_ENGINE, is_scarce, needing

MESSAGE = struct.Struct("<QQdQ")
"""The start of the plan in the memory file, its length, the job's deadline on the monotonic clock, and its cost in µs.

The cost is the time that the front has predicted.
"""

PARCEL_DESCRIPTORS = 2
"""The reply and the body.  The reply is first, so that an engine with room for one descriptor can still answer."""

QUEUE_BYTES = 4 << 20
"""The size that is asked for the queue.  The kernel grants as much as net.core.wmem_max allows; to root, all."""

REPLY = struct.Struct("<QQQ")
"""The start of the engine's message in the memory file, its length, and the length of the result behind it."""

SO_SNDBUFFORCE = 32

UNREADABLE = REPLY.pack(0, 0, 0)
"""The reply to a message that is no job."""

KILLED = REPLY.pack(0, 0, 1)
"""The reply for a job that an operator has killed."""

Data = bytes | memoryview

Reply = tuple[bytes, bytes]
"""The engine's message, and the result; empty if there is none."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A job as an engine receives it; the engine closes both ends when it is done."""

    body: int
    plan_start: int
    plan: bytes
    deadline: float
    reply: int
    cost_us: int = 0
    is_dear: bool = False

    def is_abandoned(self) -> bool:
        """Return whether nobody waits for the reply any more."""
        poll = select.poll()
        # With no event asked for, poll reports errors only; a pipe without a reader is one.
        poll.register(self.reply, 0)
        return bool(poll.poll(0))

    def answer(self, message: bytes, result: Data = b"") -> None:
        """Send the reply and let go of the job, also if the front has gone meanwhile.

        Raises OSError if there is no room for the reply; then the job is kept.
        """
        answer_into(self.body, self.plan_start + len(self.plan), self.reply, message, result)
        self.close()

    def kill(self) -> None:
        """Tell the front that the job was killed.  The front reads the first reply only."""
        with contextlib.suppress(BrokenPipeError, BlockingIOError):
            os.write(self.reply, KILLED)

    def close(self) -> None:
        """Let go of the body and of the reply, answered or not."""
        os.close(self.body)
        os.close(self.reply)


class UnreadableJob(ValueError):
    """A message that is no job.  Its front has been told, if the reply could be read."""


class Replies:
    """The read ends of one front's pipes, in an epoll of their own inside the loop's.

    A write to a pipe hints to the kernel that the writer will sleep, and the kernel wakes the reader on the writer's
    core.  The engine does not sleep.  There the front runs beside the engine of its own process, which runs on another
    core, and contends with it for the interpreter's lock.  An epoll in between does not pass the hint on: 5 % more
    pictures of 20 KB.
    """

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._poll = select.epoll()
        self._waiting: dict[int, tuple[asyncio.Future[Reply], int]] = {}
        self.loop.add_reader(self._poll.fileno(), self._read)

    def watch(self, reply: int) -> None:
        """Watch the read end of a job that is not queued yet.  Raises OSError if the kernel has no room."""
        self._poll.register(reply, select.EPOLLIN)

    def forget(self, reply: int) -> None:
        """Watch the read end no longer, because the job could not be queued."""
        self._poll.unregister(reply)

    def future(self, reply: int, body: int) -> asyncio.Future[Reply]:
        """Return a future for what comes from the read end that is watched; it is closed with the future."""
        future: asyncio.Future[Reply] = self.loop.create_future()
        self._waiting[reply] = future, body

        def close(_: object) -> None:
            del self._waiting[reply]
            self._poll.unregister(reply)
            os.close(reply)

        future.add_done_callback(close)
        return future

    def _read(self) -> None:
        for reply, _event in self._poll.poll(0):
            future, body = self._waiting[reply]
            # If its client has gone, its body may be closed too.
            if future.done():
                continue
            try:
                with needing("the result"):
                    future.set_result(_reply(reply, body))
            except ImgsrvError as error:
                future.set_exception(error)


class Exchange:
    """Both ends of the queue, which every worker inherits."""

    def __init__(self) -> None:
        self._fronts, self._engines = _queue()
        self._express_fronts, self._express_engines = _queue()
        self._dear_fronts, self._dear_engines = _queue()
        self._replies: Replies | None = None

    def close(self) -> None:
        """Let go of all ends in this process."""
        for each in (
            *(self._fronts, self._express_fronts, self._dear_fronts),
            *(self._engines, self._express_engines, self._dear_engines),
        ):
            each.close()

    def waiting(self) -> int:
        """Return the number of jobs that no engine has taken yet, as the kernel counts them."""
        return self.waiting_cheap() + self.waiting_dear()

    def waiting_cheap(self) -> int:
        """Return how many of them are cheap, express ones included."""
        return _length(self._express_engines) + _length(self._engines)

    def waiting_dear(self) -> int:
        """Return how many of them are dear."""
        return _length(self._dear_engines)

    def submit(
        self,
        body: int,
        plan_start: int,
        plan_size: int,
        deadline: float,
        *,
        cost_s: float = 0.0,
        is_dear: bool = False,
        is_express: bool = False,
    ) -> asyncio.Future[Reply]:
        """Queue a job; return a future of its reply.  Cancelling the future abandons the job.

        body: stays open until the future is done.  cost_s: the predicted time.  is_dear: it goes to the queue of dear
        jobs.  is_express: it goes before the cheap jobs.  Raises OutOfResources if the queue is full or no descriptor
        is left.  The future raises WorkerLost if the engine died, JobKilled if an operator killed the job, and
        OutOfResources if there is no memory for the result.
        """
        with needing("the reply to the job"):
            if self._replies is None or self._replies.loop is not asyncio.get_running_loop():
                self._replies = Replies()
            ours, theirs = _reply_pipe()
        try:
            message = MESSAGE.pack(plan_start, plan_size, deadline, round(cost_s * 1e6))
            # First: a job in the queue runs, also if nobody can read its reply.
            with needing("the reply to the job"):
                self._replies.watch(ours)
            try:
                with needing("the job in the queue"):
                    queue = self._dear_fronts if is_dear else self._express_fronts if is_express else self._fronts
                    socket.send_fds(queue, [message], [theirs, body])
            except BaseException:
                self._replies.forget(ours)
                raise
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        return self._replies.future(ours, body)

    def receive(self, *, is_dear: bool = False) -> Parcel | None:
        """Return the next dear or cheap job; None if there is none, or another engine was faster.

        Raises UnreadableJob for a message that is no job, and OSError if none can be received.
        """
        if is_dear:
            return self._next(self._dear_engines, is_dear=True)
        return self._next(self._express_engines) or self._next(self._engines)

    def _next(self, queue: socket.socket, *, is_dear: bool = False) -> Parcel | None:
        try:
            message, descriptors, flags, _address = socket.recv_fds(queue, MESSAGE.size + 1, PARCEL_DESCRIPTORS)
        except BlockingIOError:
            return None
        try:
            return _parcel(message, descriptors, flags, is_dear=is_dear)
        except (ValueError, struct.error, OSError, MemoryError, OverflowError) as error:
            _send_back(descriptors)
            reason = f"{len(message)} bytes with {len(descriptors)} descriptors are no job: {error}"
            raise UnreadableJob(reason) from error

    def watch(self, stop: int) -> select.epoll:
        """Return a poll that wakes for a cheap job, one idle engine each, and for the descriptor `stop`."""
        poll = select.epoll()
        # Exclusive: a job wakes one engine instead of all that are idle.
        for queue in (self._express_engines, self._engines):
            poll.register(queue, select.EPOLLIN | select.EPOLLEXCLUSIVE)
        poll.register(stop, select.EPOLLIN)
        return poll

    def watch_dear(self, poll: select.epoll, *, is_wanted: bool) -> None:
        """Let the poll wake for a dear job too, or no longer."""
        if is_wanted:
            # Not exclusive: an engine that wakes may find that it has to stay free, and the others must know then.
            poll.register(self._dear_engines, select.EPOLLIN)
        else:
            poll.unregister(self._dear_engines)


def _queue() -> tuple[socket.socket, socket.socket]:
    """The ends of a queue for the fronts and for the engines."""
    fronts, engines = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for option in (socket.SO_SNDBUF, SO_SNDBUFFORCE):
        try:
            fronts.setsockopt(socket.SOL_SOCKET, option, QUEUE_BYTES)
        except PermissionError:
            # Without privileges the plain option has already set the most that the kernel grants.
            continue
    fronts.setblocking(False)
    engines.setblocking(False)
    return fronts, engines


def _length(engines: socket.socket) -> int:
    size = array.array("i", [0])
    fcntl.ioctl(engines, termios.FIONREAD, size)
    return size[0] // MESSAGE.size


def answer_into(body: int, start: int, reply: int, message: bytes, result: Data) -> None:
    """Write an engine's answer into the body's file, and send its place.  Raises OSError if there is no room for it."""
    written, size = os.pwritev(body, [message, result], start), len(message) + len(result)
    while written < size:
        # The kernel writes as much as there is room for, and reports an error only at the next attempt.
        written += os.pwrite(body, memoryview(message + result)[written:], start + written)
    with contextlib.suppress(BrokenPipeError):
        os.write(reply, REPLY.pack(start, len(message), len(result)))


def _reply_pipe() -> tuple[int, int]:
    """Return both ends of a reply.  Raises EMFILE, as the kernel does, if the last descriptors are for the engine."""
    ours, theirs = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    if is_scarce(max(ours, theirs), FOR_ENGINE):
        os.close(ours)
        os.close(theirs)
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    return ours, theirs


def _parcel(message: bytes, descriptors: list[int], flags: int, *, is_dear: bool) -> Parcel:
    if flags & socket.MSG_CTRUNC and len(descriptors) < PARCEL_DESCRIPTORS:
        raise ValueError("no more descriptors were free")
    reply, body = descriptors
    plan_start, plan_size, deadline, cost_us = MESSAGE.unpack(message)
    if not stat.S_ISFIFO(os.fstat(reply).st_mode):
        raise ValueError("the reply is no pipe")
    plan = os.pread(body, plan_size, plan_start)
    if len(plan) < plan_size:
        raise ValueError("the plan lies outside its file")
    return Parcel(body, plan_start, plan, deadline, reply, cost_us, is_dear)


def _send_back(descriptors: list[int]) -> None:
    """Tell the front that its message was no job, and close the descriptors that came with it."""
    for descriptor in descriptors:
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            with contextlib.suppress(OSError):
                os.write(descriptor, UNREADABLE)
        os.close(descriptor)


def _reply(end: int, body: int) -> Reply:
    """Read an engine's answer behind the plan.  Raises WorkerLost, JobKilled, InternalError, OSError."""
    place = os.read(end, REPLY.size)
    if not place:
        raise WorkerLost
    start, message_size, result_size = REPLY.unpack(place)
    if place == UNREADABLE:
        raise InternalError
    if place == KILLED:
        raise JobKilled
    return os.pread(body, message_size, start), os.pread(body, result_size, start + message_size)
