"""Hooks: functions of the operator's that each worker calls when it starts and when it stops.

They run on the worker's main thread, before its loop begins and after it has ended.  So they may block, within a time
limit.  Their module is imported in the worker only, so side effects of the import, such as threads, are not in the
master.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from imgsrv.errors import HookFailed
from imgsrv.observe.log.logger import get_logger
from imgsrv.trusted_paths import weakness

Hook = Callable[[int], object]


class _TooLong(BaseException):
    """Raised by the alarm.  It is no Exception, because the hook's own code might catch that."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """The functions to call, as `module:function`; empty for none.  limit_s: the time limit of each call."""

    on_start: str = ""
    on_stop: str = ""
    limit_s: float = 10.0

    def call_start(self, slot: int) -> None:
        """Call the start hook before the worker serves.  Raises HookFailed; then the worker must not serve."""
        self._call("on_worker_start", self.on_start, slot)

    def call_stop(self, slot: int) -> None:
        """Call the stop hook when the worker has finished; log a failure."""
        # Only the time limit may end the hook early, not the master's death or an impatient operator.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        try:
            self._call("on_worker_stop", self.on_stop, slot)
        except HookFailed as error:
            get_logger().error("hook_failed", slot=slot, pid=os.getpid(), reason=str(error), exc_info=error.__cause__)

    def faults(self) -> list[HookFailed]:
        """Return an error for each hook that cannot be loaded, without calling any."""
        found = []
        for setting, hook in (("on_worker_start", self.on_start), ("on_worker_stop", self.on_stop)):
            try:
                with _failing_as(setting, hook):
                    if hook:
                        _load(hook)
            except HookFailed as error:
                found.append(error)
        return found

    def _call(self, setting: str, hook: str, slot: int) -> None:
        if not hook:
            return
        with _failing_as(setting, hook):
            try:
                with _alarm(self.limit_s):
                    _load(hook)(slot)
            except _TooLong:
                raise HookFailed(setting, hook, f"not done within {self.limit_s:g} s (--hook-timeout-s)") from None


@contextlib.contextmanager
def _failing_as(setting: str, hook: str) -> Iterator[None]:
    try:
        yield
    except HookFailed:
        raise
    except (Exception, SystemExit) as error:
        places = _drop_our_frames(error)
        where = f" ({places[-1]})" if places else ""
        raise HookFailed(setting, hook, f"{type(error).__name__}: {error}{where}") from error


def _drop_our_frames(error: BaseException) -> list[str]:
    """Cut the traceback down to the operator's own code; return the places of its frames, as `FILE:LINE in FUNCTION`.

    None is left if our call has failed: there is no such function, or it takes other arguments.
    """
    frames = [frame for frame, _line in traceback.walk_tb(error.__traceback__)]
    first = next((index for index, frame in enumerate(frames) if not _is_ours(frame.f_code.co_filename)), len(frames))
    for _ in range(first):
        error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next
    return [
        f"{found.filename}:{found.lineno} in {found.name}"
        for found in traceback.extract_tb(error.__traceback__)
        if not _is_ours(found.filename)
    ]


def _is_ours(file: str) -> bool:
    return file in (__file__, importlib.__file__) or file.startswith("<frozen importlib")


def _load(hook: str) -> Hook:
    module, _colon, name = hook.partition(":")
    if (folder := str(Path.cwd())) not in sys.path:
        # Appended last, so that a file there cannot shadow an installed module.
        sys.path.append(folder)
    for end in [match.start() for match in re.finditer(r"\.|$", module)]:
        _refuse_if_weak(module[:end])
        imported = importlib.import_module(module[:end])
    found = getattr(imported, name)
    if not callable(found):
        raise TypeError(f"{name} is no function but {type(found).__name__}")
    return found  # type: ignore[no-any-return]  # its parameters show when it is called


def _refuse_if_weak(module: str) -> None:
    """Raise PermissionError if this process is root and another user can change the file of a module."""
    spec = importlib.util.find_spec(module)
    places = [*(spec.submodule_search_locations or []), spec.origin] if spec is not None else []
    for place in places:
        if place and Path(place).is_absolute() and (fault := weakness(Path(place))) is not None:
            raise PermissionError(f"root does not run it: {fault}; or give the workers a --user")


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise _TooLong in the block after that time, also while it waits for the kernel."""

    def ring(_signum: int, _frame: object) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
