"""No text or file of a client costs more than linear time: every pattern and every reader with 100 KB of its worst."""

from __future__ import annotations

import re
from functools import partial

import pytest
from attacks import Found, TooSlow, attacks_on, cpu_s, filled, patterns
from readers import NOT_FROM_CLIENTS, READERS, Reader, outcome, reading_functions
from worst_cases import FOUND, LIMIT_S, METHODS, TRUSTED, worst_of_pattern, worst_of_reader


def test_every_pattern_has_its_row() -> None:
    assert {found.name for found in patterns()} == {*METHODS, *TRUSTED}, "a row of METHODS says how a pattern is used"


@pytest.mark.parametrize("found", FOUND, ids=lambda found: found.name)
def test_a_pattern_takes_linear_time_for_its_worst(found: Found) -> None:
    assert worst_of_pattern(found)[0] < LIMIT_S


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(r"\s*([0-9]*\.?[0-9]+(?:e[+-]?[0-9]+)?)\s*([a-z]*)\s*", id="the-width-of-an-svg-as-it-was"),
        pytest.param(r"\s+tiff:Orientation", id="the-orientation-in-xmp-as-it-was"),
        pytest.param(r"(a|a)*b", id="two-ways-to-match"),
        pytest.param(r"(?:x+x+)+y", id="nested-repetitions"),
    ],
)
def test_the_attacks_find_a_pattern_that_backtracks(text: str) -> None:
    pattern = re.compile(text)

    def attack_it() -> None:
        for attack in attacks_on(pattern):
            cpu_s(partial(pattern.search, filled(attack)), 0.2)

    with pytest.raises(TooSlow):
        attack_it()


def test_every_function_that_reads_what_clients_send_has_a_reader() -> None:
    covered = {name for reader in READERS for name in reader.covers}

    assert reading_functions() - covered == set(), "a row of tests/support/readers.py runs it"
    assert not covered & set(NOT_FROM_CLIENTS)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_a_reader_reads_its_seeds(reader: Reader) -> None:
    assert all(":" not in outcome(reader, seed) for seed in reader.seeds)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_a_reader_takes_linear_time_for_its_worst(reader: Reader) -> None:
    assert worst_of_reader(reader)[0] < LIMIT_S
