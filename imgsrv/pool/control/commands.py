"""The commands that an operator can give to a running instance, each a row of one table.

The command line, the control socket, the signals and the documents are all made from this table.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from imgsrv.errors import joined
from imgsrv.observe.log.logger import get_logger
from imgsrv.pool.caller import Caller
from imgsrv.wording import closest


class Operable(Protocol):
    """The operator (operator.py), as the commands need it."""

    def identity(self) -> dict[str, Any]:
        """Return the name, the version, the process and the state."""
        ...

    def status(self) -> dict[str, Any]:
        """Return everything that can be watched."""
        ...

    def description(self) -> dict[str, Any]:
        """Return how the instance was started, and with which settings."""
        ...

    def stop(self, caller: Caller, *, at_once: bool) -> None:
        """Finish all open requests and end, or end at once."""
        ...

    def reopen_logs(self, caller: Caller) -> None:
        """Open the log file again."""
        ...

    def reload(self, caller: Caller) -> None:
        """Load new code and configuration."""
        ...

    def restart(self, caller: Caller) -> None:
        """End and start again."""
        ...

    def scale(self, caller: Caller, wish: str) -> None:
        """Change the number of workers."""
        ...

    def kill_job(self, caller: Caller, which: str) -> None:
        """End a job."""
        ...


AT_ONCE = "now"


@dataclass(frozen=True, slots=True)
class Argument:
    """The argument of a command.  allowed: the only values; empty if every text is allowed."""

    name: str
    meaning: str
    allowed: tuple[str, ...] = ()
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """A row of the table.  run: carries the command out for a caller.

    signals: signals to the master's process that stand for the command, each with its argument.
    """

    name: str
    summary: str
    run: Callable[[Operable, Caller, str], None]
    argument: Argument | None = None
    signals: tuple[tuple[signal.Signals, str], ...] = ()


COMMANDS = {
    command.name: command
    for command in (
        Command(
            "status",
            "Show the workers, the queue, the totals and the latest events.",
            lambda pool, caller, _: caller.done(pool.status()),
        ),
        Command(
            "describe",
            "Show how the instance was started: command line, versions, every setting and its source.",
            lambda pool, caller, _: caller.done(pool.description()),
        ),
        Command(
            "ping",
            "Ask whether the instance lives, and for its state.",
            lambda pool, caller, _: caller.done(pool.identity()),
        ),
        Command(
            "reopen-logs",
            "Open the log file again in every process, after it was moved.",
            lambda pool, caller, _: pool.reopen_logs(caller),
            signals=((signal.SIGUSR1, ""),),
        ),
        Command(
            "reload",
            "Load new code and configuration without losing a request; nothing changes if they do not work.",
            lambda pool, caller, _: pool.reload(caller),
            signals=((signal.SIGHUP, ""),),
        ),
        Command(
            "restart",
            "Finish all open requests, end, and start again; reload does this without a pause.",
            lambda pool, caller, _: pool.restart(caller),
        ),
        Command(
            "scale",
            "Change the number of workers without losing a connection.",
            lambda pool, caller, argument: pool.scale(caller, argument),
            Argument("N", "number of workers, or +N or -N for more or fewer"),
            signals=((signal.SIGTTIN, "+1"), (signal.SIGTTOU, "-1")),
        ),
        Command(
            "kill-job",
            "End a job; its client gets 500 `job_killed`, and its worker is replaced.",
            lambda pool, caller, argument: pool.kill_job(caller, argument),
            Argument("JOB", "number of the slot that works on it, or id of its request"),
        ),
        Command(
            "stop",
            "Finish all open requests and end; with `now`, end all workers at once.",
            lambda pool, caller, argument: pool.stop(caller, at_once=argument == AT_ONCE),
            Argument("now", "end at once, without finishing open requests", allowed=(AT_ONCE,), is_optional=True),
            signals=((signal.SIGTERM, ""), (signal.SIGINT, "")),
        ),
    )
}
"""Every command, by its name."""

SIGNALS: dict[int, tuple[Command, str]] = {
    signum: (command, argument) for command in COMMANDS.values() for signum, argument in command.signals
}
"""The command and argument that each signal to the master stands for."""


def obey(pool: Operable, name: str, argument: str | None, caller: Caller) -> None:
    """Carry out a request, or tell the caller what is wrong with it."""
    command = COMMANDS.get(name)
    if command is None:
        near = closest(name, COMMANDS)
        hint = f"did you mean {near}?" if near else f"there are {joined(list(COMMANDS))}"
        caller.failed(f"there is no command {name[:100]!r}; {hint}")
    elif (fault := _fault(command, argument)) is not None:
        caller.failed(fault)
    else:
        carry_out(command, pool, caller, argument or "")


def carry_out(command: Command, pool: Operable, caller: Caller, argument: str) -> None:
    """Carry out a command, or tell the caller what has gone wrong."""
    try:
        command.run(pool, caller, argument)
    # A fault of ours in one command, for example with memory that a dying worker has written to, must not end the
    # master: all workers would go with it.  The operator gets the reason.
    except Exception as error:  # noqa: BLE001
        get_logger().exception("command_failed", command=command.name)
        reason = f"{type(error).__name__}: {error}"
        caller.failed(f"a fault of the server's own ({reason}); it serves on, and its log says more")


def _fault(command: Command, given: str | None) -> str | None:
    """Return what is wrong with an argument; None if nothing is."""
    wanted = command.argument
    if wanted is None:
        return f"{command.name} takes no argument, and got {given[:100]!r}" if given else None
    if not given:
        return None if wanted.is_optional else f"{command.name} needs {wanted.name}: {wanted.meaning}"
    if wanted.allowed and given not in wanted.allowed:
        return f"{command.name} takes {joined(wanted.allowed)}, and got {given[:100]!r}"
    return None
