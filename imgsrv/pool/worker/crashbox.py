"""The crash box: what a worker works on, where its master finds it when the worker is dead.

A descriptor that lies in a socket lives as long as the socket does, and this one the master holds too.  The engine
puts the body of its job in before it begins and takes it out when it is done; whatever ends the process in between,
also where front and engine die together, the body with its plan is still there.  The master does not listen on it,
so nobody is woken.  Beside it lies a memfd for the stacks that the dying process may write.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from imgsrv.pool.descriptors import received

NOTE = struct.Struct("<QQ")
"""Where the plan starts in the body's file, and its length."""

STACK_BYTES = 65_536

LONGEST_PLAN = 16 << 20
"""Of what a note says; those of this server's own requests are much shorter."""


@dataclass(frozen=True, slots=True)
class Remains:
    """What a dead worker left.  body: of the job at hand, with its plan; None where there was none.

    stack: of all its threads, as the interpreter's handler of deadly signals wrote it; empty where it could not.
    """

    body: int | None
    plan: bytes
    stack: str


def _plan(note: bytes, body: int) -> bytes:
    """The plan that a note tells of; empty where it tells nothing: a broken worker's word must not end the master."""
    try:
        start, size = NOTE.unpack(note)
        return os.pread(body, min(size, LONGEST_PLAN), start)
    except (struct.error, OverflowError, OSError):
        return b""


class CrashBox:
    """One worker's.  Made by the master, used by the engine.

    passed: its descriptors, which the image of the master before has passed on.
    """

    def __init__(self, passed: Sequence[int] = ()) -> None:
        if passed:
            inside, outside, stack = map(received, passed)
            self._inside, self._outside = socket.socket(fileno=inside), socket.socket(fileno=outside)
        else:
            self._inside, self._outside = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            stack = os.memfd_create("imgsrv-stack")
        self._inside.setblocking(False)
        self._outside.setblocking(False)
        self._stack = os.fdopen(stack, "r+b", buffering=0)

    def dump(self) -> list[int]:
        """Return what the next image of the master needs of it."""
        return [self._inside.fileno(), self._outside.fileno(), self._stack.fileno()]

    def watch_signals(self) -> None:
        """In the worker: write the stacks of all threads here when a signal such as SIGSEGV ends it."""
        faulthandler.enable(self._stack)

    @contextlib.contextmanager
    def ending_after(self, seconds: float) -> Iterator[None]:
        """In the worker: end it, with the stacks of all threads here, where the block takes longer.

        Nothing that the block does can keep it from that: no handler of its own, and not the interpreter's lock.
        """
        faulthandler.dump_traceback_later(seconds, file=self._stack, exit=True)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()

    def put(self, body: int, plan_start: int, plan_size: int) -> None:
        """A job begins.  A box that has no room only makes a crash less clear."""
        with contextlib.suppress(OSError):
            socket.send_fds(self._inside, [NOTE.pack(plan_start, plan_size)], [body])

    def clear(self) -> None:
        """The job is done.  The kernel drops the descriptor, because none is asked for."""
        with contextlib.suppress(BlockingIOError):
            self._outside.recv(NOTE.size)

    def plan(self) -> bytes:
        """The plan of the job at hand, which stays there; empty where there is none."""
        body, plan = self._received(socket.MSG_PEEK)
        if body is not None:
            os.close(body)
        return plan

    def open(self) -> Remains:
        """What the worker left, for its master; the descriptor is the caller's to close."""
        stack = os.pread(self._stack.fileno(), STACK_BYTES, 0).decode(errors="replace")
        return Remains(*self._received(), stack)

    def _received(self, flags: int = 0) -> tuple[int | None, bytes]:
        try:
            note, descriptors, _flags, _address = socket.recv_fds(self._outside, NOTE.size, 1, flags)
        except BlockingIOError:
            return None, b""
        if not descriptors:
            return None, b""
        return descriptors[0], _plan(note, descriptors[0])

    def close(self) -> None:
        """Let go of it: in the master when the worker is buried, in a worker what belongs to others."""
        self._inside.close()
        self._outside.close()
        self._stack.close()
