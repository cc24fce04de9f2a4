"""Whatever bytes come, a reader gives a result or an error that it documents, in bounded time.

`tests/fuzz/run.py` does the same for as long as one likes, and prints figures.
"""

from __future__ import annotations

from functools import partial
from random import Random

import pytest
from attacks import cpu_s
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import FOUND, mutated
from readers import READERS, Reader, outcome

pytestmark = pytest.mark.slow

LIMIT_S = 1.0
"""Of processor time for one input of up to 20 KB; most take less than a millisecond."""

EXAMPLES = 150

ONE_EACH = [pytest.param(reader, id=reader.name) for reader in READERS]


@pytest.mark.parametrize("reader", ONE_EACH)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.binary(max_size=300), random=st.randoms(use_true_random=False))
def test_bytes_near_a_good_input_are_read_or_refused(reader: Reader, data: bytes, random: Random) -> None:
    given = mutated(random.choice(reader.seeds), data or random.choice(reader.seeds), reader.words, random)

    assert cpu_s(lambda: outcome(reader, given), LIMIT_S) < LIMIT_S


@pytest.mark.parametrize("reader", ONE_EACH)
@settings(max_examples=EXAMPLES // 3, deadline=None)
@given(data=st.binary(max_size=2000))
def test_any_bytes_are_read_or_refused(reader: Reader, data: bytes) -> None:
    assert cpu_s(lambda: outcome(reader, data), LIMIT_S) < LIMIT_S


@pytest.mark.parametrize("reader", ONE_EACH)
def test_what_was_found_once_is_read_or_refused(reader: Reader) -> None:
    for data in FOUND.get(reader.name, ()):
        assert cpu_s(partial(outcome, reader, data), LIMIT_S) < LIMIT_S


def test_what_was_found_belongs_to_a_reader() -> None:
    optional = {"JPEG XL boxes", "traceparent and tracestate"}

    assert set(FOUND) <= {reader.name for reader in READERS} | optional
