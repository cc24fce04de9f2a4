"""How fast a run is, and when it ends."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from imgsrv.bulk.pace import Pace
from imgsrv.bulk.run import Todo
from imgsrv.bulk.work import Conversion, Outcome
from imgsrv.cli.conversion.report import LINE_S, Report


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def test_the_pace_is_that_of_the_last_minute() -> None:
    clock = Clock()
    pace = Pace(10_000, clock)
    for _ in range(100):
        clock.now += 10.0
        pace.count()
    assert pace.rate == pytest.approx(0.1)
    for _ in range(1200):
        clock.now += 0.1
        pace.count()

    assert pace.rate == pytest.approx(10, rel=0.02)
    assert pace.left_s == pytest.approx(870, rel=0.02)


def test_the_expected_end_is_a_time_of_day_and_names_another_day() -> None:
    clock = Clock()
    pace = Pace(7201, clock)
    clock.now += 1.0
    pace.count()
    assert pace.words(lambda: NOON) == "1.0 pictures/s, expected end 14:00:00"

    pace = Pace(100_001, clock)
    clock.now += 1.0
    pace.count()
    assert pace.words(lambda: NOON) == "1.0 pictures/s, expected end Mon 02 Mar 15:46:40"


def test_before_the_first_picture_no_end_is_promised() -> None:
    assert Pace(5, Clock()).words() == "0.0 pictures/s"


def test_without_a_terminal_a_line_tells_the_pace_twice_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    conversion = Conversion(None, None)
    report = Report(Todo((conversion,) * 200), has_manifest=False, clock=clock)

    def outcomes() -> list[Outcome]:
        return [*[Outcome(conversion)] * 119, Outcome(conversion, error="it is broken"), Outcome(conversion)]

    for outcome in report.shown(outcomes()):
        report.add(outcome)
        clock.now += LINE_S / 60

    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("60 of 200, 0 failed, 2.0 pictures/s, expected end ")
    assert said[1] == "standard input: it is broken"
    assert said[2].startswith("120 of 200, 1 failed, 2.0 pictures/s, expected end ")
    assert len(said) == 3
