"""Steering of new connections among the sockets of one port, by a classic BPF program in the kernel.

The program returns the number of a socket.  Sockets are numbered in the order of their binding: the wall (see tcp.py)
has 0, and the socket of a slot has the slot's number and 1.  Source: socket(7) on SO_ATTACH_REUSEPORT_CBPF,
linux/filter.h.
"""

from __future__ import annotations

import contextlib
import ctypes
import struct
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from socket import SOL_SOCKET, socket

SO_ATTACH_REUSEPORT_CBPF = 51

Instruction = tuple[int, int, int, int]
"""Code, jump if true, jump if false, constant: `struct sock_filter` of linux/filter.h."""

LOAD_WORD, MODULO, ADD, JUMP_IF_AT_LEAST, RETURN, RETURN_IT = 0x20, 0x94, 0x04, 0x35, 0x06, 0x16
RANDOM = 0xFFFFF000 + 56
"""SKF_AD_OFF + SKF_AD_RANDOM: a load from this address gives a random number."""

TO_THE_WALL = (RETURN, 0, 0, 0)


def choose_one_of(slots: Sequence[int]) -> Iterator[Instruction]:
    """Yield a program that returns the socket of one of the slots at random.  Consecutive slots take one step."""
    yield (LOAD_WORD, 0, 0, RANDOM)
    yield (MODULO, 0, 0, len(slots))
    for distance, following in groupby(enumerate(slots), lambda each: each[1] - each[0]):
        last = deque(following, 1)[0][0]
        yield (JUMP_IF_AT_LEAST, 2, 0, last + 1)
        yield (ADD, 0, 0, distance + 1)
        yield (RETURN_IT, 0, 0, 0)
    yield TO_THE_WALL  # no number gets here


def steer(listening: socket, program: Iterable[Instruction]) -> None:
    """Let a program choose among all sockets of the port of `listening`."""
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    memory = ctypes.create_string_buffer(code, len(code))
    # If the kernel has no memory for it, the program before stays, and some connections wait longer than they had to.
    with contextlib.suppress(OSError):
        listening.setsockopt(
            SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, struct.pack("HL", len(code) // 8, ctypes.addressof(memory))
        )
