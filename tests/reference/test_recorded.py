"""The record of the catalogue says what the code says, here and where an extra is not installed."""

from __future__ import annotations

from typing import Any

import pytest

from imgsrv.imaging.codecs.placeholders import PLACEHOLDERS
from imgsrv.imaging.formats import KNOWN, WRITTEN
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.reference import catalogue, recorded
from imgsrv.reference.examples import example_of
from imgsrv.reference.recording import recording


def test_the_record_is_that_of_this_code() -> None:
    assert recorded.FILE.read_text(encoding="utf-8") == recording(), (
        "run .venv/bin/python -m imgsrv.cli.documents imgsrv/reference/recorded.json"
    )


def test_the_recorded_catalogue_is_that_of_this_machine() -> None:
    assert recorded.catalogue() == catalogue.catalogue()
    assert recorded.written_here() == [*WRITTEN, *PLACEHOLDERS]
    assert [name for name in KNOWN if recorded.is_written(name)] == [n for n, form in KNOWN.items() if form.is_written]


def test_the_part_that_an_example_needs_is_recorded() -> None:
    assert {name: recorded.part_of(name) for name in OPERATIONS} == {
        name: example_of(operation).part for name, operation in OPERATIONS.items()
    }


@pytest.mark.parametrize("name", [name for name, form in KNOWN.items() if form.wheel])
def test_a_format_whose_wheel_is_missing_is_neither_read_nor_written(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(module: str) -> Any:
        return None if module == KNOWN[name].wheel else object()

    monkeypatch.setattr(recorded, "find_spec", find)

    (row,) = (row for row in recorded.catalogue()["formats"] if row["name"] == name)
    assert (row["reads"], row["writes"]) == (False, False)
    assert name not in recorded.written_here()


@pytest.mark.parametrize("name", [name for name, form in KNOWN.items() if form.writer])
def test_a_format_whose_encoder_is_missing_is_read_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "find_spec", lambda module: None if module == KNOWN[name].writer else object())

    (row,) = (row for row in recorded.catalogue()["formats"] if row["name"] == name)
    assert (row["reads"], row["writes"]) == (True, False)
    assert name not in recorded.written_here()
