"""The caller of a command: the one who asked for something and is told what becomes of it."""

from __future__ import annotations

from typing import Any, Protocol

from imgsrv.pool.events import Events


class Caller(Protocol):
    """A client of the control socket, or a signal.  It is told exactly once that the command is done or has failed."""

    @property
    def name(self) -> str:
        """The name for the log: that of a signal, or `command`."""
        ...

    def progress(self, **facts: Any) -> None:
        """Report a step on the way."""
        ...

    def done(self, result: Any = None) -> None:
        """Report that the command is done."""
        ...

    def failed(self, reason: str) -> None:
        """Report that the command has failed or is refused."""
        ...


class Signalled:
    """The caller of a command that a signal stands for.  name: the signal's name.

    A signal cannot be answered, so a refusal goes to the log.
    """

    def __init__(self, name: str, events: Events) -> None:
        self.name, self._events = name, events

    def progress(self, **facts: Any) -> None:
        """Do nothing: the events report each step."""

    def done(self, result: Any = None) -> None:
        """Do nothing: the events report the end."""

    def failed(self, reason: str) -> None:
        """Log the reason; no other event has it."""
        self._events.warning("signal_refused", signal=self.name, reason=reason)
