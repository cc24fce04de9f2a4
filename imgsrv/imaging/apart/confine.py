"""What a process gives up for good, so that even code that a picture has slipped into it can do no harm.

Two means, each enough for most purposes.  A limit of 0 descriptors lets the kernel refuse every file, socket and pipe;
those that are open stay usable.  A seccomp filter refuses every system call but the few that a codec needs: it can
signal, trace, fork and execute nothing, and neither delete nor rename a file.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 22, 38
SECCOMP_MODE_FILTER = 2
RETURN_KILL, RETURN_EPERM, RETURN_ALLOW = 0x8000_0000, 0x0005_0001, 0x7FFF_0000

INSTRUCTION = struct.Struct("=HBBI")
"""struct sock_filter: code, jump if true, jump if false, operand."""

LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER_AT, ARCHITECTURE_AT = 0, 4
"""Offsets in struct seccomp_data."""

CALLS = {
    "read": (0, 63), "write": (1, 64), "close": (3, 57), "fstat": (5, 80), "lseek": (8, 62), "mmap": (9, 222),
    "mprotect": (10, 226), "munmap": (11, 215), "brk": (12, 214), "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "sched_yield": (24, 124), "mremap": (25, 216),
    "madvise": (28, 233), "nanosleep": (35, 101), "getpid": (39, 172), "exit": (60, 93), "getrusage": (98, 165),
    "sysinfo": (99, 179), "sigaltstack": (131, 132), "gettid": (186, 178), "futex": (202, 98),
    "sched_getaffinity": (204, 123), "restart_syscall": (219, 128), "clock_gettime": (228, 113),
    "clock_getres": (229, 114), "clock_nanosleep": (230, 115), "exit_group": (231, 94), "getrandom": (318, 278),
    "rseq": (334, 293),
}  # fmt: skip
"""The system calls that stay, with their numbers on x86-64 and on aarch64 (Linux's own tables)."""

ARCHITECTURES = {"x86_64": (0xC000_003E, 0), "aarch64": (0xC000_00B7, 1)}
"""AUDIT_ARCH of <linux/audit.h>, and the column of CALLS."""

OOM_SCORE_FILE = Path("/proc/self/oom_score_adj")
OOM_SURPLUS, MOST_OOM = 100, 1000
"""An addition to the score of the process that started this one, in thousandths of the memory that is short."""

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def die_with(parent: int) -> None:
    """Let the kernel kill this process when the thread that started it ends.  parent: the process of that thread."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def die_first() -> None:
    """Let the kernel kill this process before the one that started it when memory is short."""
    try:
        inherited = int(OOM_SCORE_FILE.read_text(encoding="ascii"))
        OOM_SCORE_FILE.write_text(str(min(MOST_OOM, inherited + OOM_SURPLUS)), encoding="ascii")
    except OSError:
        return  # without a writable /proc the kernel's own choice remains


def give_up() -> bool:
    """Give up files, sockets, processes, privileges and most system calls; return whether the filter is in force.

    It is not on other architectures, and where the kernel has none.  The calling thread must be the only one, because
    the filter is of one thread: raises RuntimeError.
    """
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        raise RuntimeError("a process with several threads cannot be confined")
    _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for what in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC, resource.RLIMIT_CORE):
        resource.setrlimit(what, (0, 0))
    if platform.machine() not in ARCHITECTURES:
        return False
    code = _filter(*ARCHITECTURES[platform.machine()])
    program = _Program(len(code) // INSTRUCTION.size, code)
    return bool(_libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) == 0)


def _filter(architecture: int, column: int) -> bytes:
    """The program that the kernel runs before each system call."""
    numbers = [call[column] for call in CALLS.values()]
    return b"".join(
        INSTRUCTION.pack(*instruction)
        for instruction in (
            (LOAD_WORD, 0, 0, ARCHITECTURE_AT),
            # Another architecture has other numbers; x86-64 processes can use those of i386.
            (JUMP_IF_EQUAL, 1, 0, architecture),
            (RETURN, 0, 0, RETURN_KILL),
            (LOAD_WORD, 0, 0, NUMBER_AT),
            *((JUMP_IF_EQUAL, len(numbers) - at, 0, number) for at, number in enumerate(numbers)),
            (RETURN, 0, 0, RETURN_EPERM),
            (RETURN, 0, 0, RETURN_ALLOW),
        )
    )
