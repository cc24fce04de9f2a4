"""The helpers of this process: a job gets one that is idle, or a new one.

A process that works on nothing but pictures calls `keep_warm`: then a helper stays for the next job, and ends with the
thread that has started it.  In a program that uses imgsrv as a library, a helper ends with its job, and only drawings
need one.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Container
from dataclasses import replace

from imgsrv.errors import CodecLost
from imgsrv.imaging.apart.process import Allowance, Ended, Failed, Helper, Job, TooMuch
from imgsrv.imaging.apart.tasks import DECODERS
from imgsrv.imaging.lettering.fonts import drawing_fonts

MOST_IDLE = 4
"""More helpers are not kept; an engine needs one."""

TASKS = ("decode", "encode", "draw", *DECODERS)

_lock = threading.Lock()
_thread = threading.local()


class _State:
    """is_warm: helpers are kept.  idle: those without a job.  losses: why helpers have ended, since somebody asked."""

    is_warm = False
    idle: list[Helper] = []  # noqa: RUF012  of the process
    losses: list[str] = []  # noqa: RUF012


def keep_warm() -> None:
    """Keep helpers for the next job, in this process and in those that it forks later."""
    if not _State.is_warm:
        _State.is_warm = True
        atexit.register(end_idle)


def is_warm() -> bool:
    """Return whether helpers are kept, so that a job in one costs no start."""
    return _State.is_warm


def set_deadline(at: float | None) -> None:
    """Let no job of this thread run past a time of the monotonic clock; None for no such time."""
    _thread.deadline = at


def take_losses() -> list[str]:
    """Return why helpers have ended against our will since the last call, such as SIGSEGV."""
    with _lock:
        losses, _State.losses = _State.losses, []
    return losses


def end_idle() -> None:
    """End the helpers that have no job."""
    while (helper := _taken()) is not None:
        helper.close()


def run(name: str, job: Job, allowed: Allowance, overflows: Container[str] = ()) -> list[bytes]:
    """Do a job in a helper; its result in pieces.  name: of the picture's format.

    overflows: signals that mean that the picture needs too much of the stack.  That is a limit, and no crash.

    Raises Failed with the codec's own reason, TooMuch, CodecLost, and MemoryError where the machine has no room.
    """
    deadline = getattr(_thread, "deadline", None)
    if deadline is not None:
        allowed = replace(allowed, wall_s=min(allowed.wall_s, max(0.0, deadline - time.monotonic())))
    helper = _usable() or Helper(TASKS if _State.is_warm else (job.task,), drawing_fonts(), is_bound=_State.is_warm)
    try:
        result = helper.do(job, allowed)
    except Failed:
        _put_back(helper)
        raise
    except TooMuch:
        _lose(helper, "too much time or memory")
        raise
    except Ended as error:
        if str(error) in overflows:
            _lose(helper, f"too much of the stack ({error})")
            raise TooMuch from error
        _lose(helper, str(error))
        raise CodecLost(name, str(error)) from error
    except OSError as error:
        helper.close()
        # The server lacks a resource.  An OSError would be reported as a fault of the picture.
        raise MemoryError("a picture cannot be given to the process that its codec runs in") from error
    except BaseException:
        helper.close()
        raise
    _put_back(helper)
    return result


def _taken() -> Helper | None:
    with _lock:
        return _State.idle.pop() if _State.idle else None


def _usable() -> Helper | None:
    """An idle helper that lives and is ours: a forked process has those of its parent in its memory."""
    while (helper := _taken()) is not None:
        if helper.is_usable:
            return helper
        if helper.is_ours:
            _lose(helper, helper.why_ended())
        else:
            helper.close()
    return None


def _put_back(helper: Helper) -> None:
    with _lock:
        if _State.is_warm and len(_State.idle) < MOST_IDLE:
            _State.idle.append(helper)
            return
    helper.close()


def _lose(helper: Helper, why: str) -> None:
    helper.close()
    with _lock:
        _State.losses.append(why)
