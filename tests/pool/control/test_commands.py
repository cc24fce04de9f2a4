"""The table of commands: the requests that it allows, and the reasons that it gives for refusing others."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from imgsrv.pool.control.commands import COMMANDS, SIGNALS, obey


class Pool:
    """A pool that records the commands that it gets."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def note(*_: Any, **__: Any) -> dict[str, Any]:
            self.asked.append(name)
            return {}

        return note


class Asker:
    """A caller that records the reports that it gets."""

    name = "test"

    def __init__(self) -> None:
        self.told: list[Any] = []

    def progress(self, **facts: Any) -> None:
        self.told.append(facts)

    def done(self, result: Any = None) -> None:
        self.told.append(result)

    def failed(self, reason: str) -> None:
        self.told.append(reason)


@pytest.mark.parametrize(
    ("name", "argument", "told"),
    [
        pytest.param("stauts", None, "there is no command 'stauts'; did you mean status?", id="a-misspelt-command"),
        pytest.param(
            "dance",
            None,
            f"there is no command 'dance'; there are {', '.join(list(COMMANDS)[:-1])} and stop",
            id="no-command",
        ),
        pytest.param("ping", "x", "ping takes no argument, and got 'x'", id="an-argument-too-many"),
        pytest.param("stop", "soon", "stop takes now, and got 'soon'", id="a-wrong-argument"),
    ],
)
def test_a_request_that_cannot_be_done_gets_the_reason(name: str, argument: str | None, told: str) -> None:
    pool, asker = Pool(), Asker()
    obey(pool, name, argument, asker)
    assert asker.told == [told]
    assert pool.asked == []


@pytest.mark.parametrize(("name", "method"), [("ping", "identity"), ("status", "status"), ("describe", "description")])
def test_a_command_asks_the_pool(name: str, method: str) -> None:
    pool, asker = Pool(), Asker()
    obey(pool, name, None, asker)
    assert (pool.asked, asker.told) == ([method], [{}])


def test_a_signal_stands_for_a_command() -> None:
    assert SIGNALS[signal.SIGTERM][0] is COMMANDS["stop"]


def test_a_fault_of_a_command_is_reported_to_its_caller_and_ends_nothing() -> None:
    class Faulty(Pool):
        def status(self) -> dict[str, Any]:
            raise ValueError("7 is not a valid WorkerState")

    asker = Asker()
    obey(Faulty(), "status", None, asker)
    (told,) = asker.told
    assert told.startswith("a fault of the server's own (ValueError: 7 is not a valid WorkerState); it serves on")
