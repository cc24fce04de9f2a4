"""Cache-Control, If-None-Match and Cache-Status as RFC 9110, 9111 and 9211 have them."""

from __future__ import annotations

import pytest

from imgsrv.web.cache.validity import Validity, cache_control, is_known, validity_of, wants_no_store

E1, E2 = '"one"', '"two"'


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param(None, Validity(), id="nothing-is-said"),
        pytest.param("max-age=60", Validity(60.0), id="an-age"),
        pytest.param("Public, MAX-AGE=60", Validity(60.0), id="names-in-any-case"),
        pytest.param('max-age="60"', Validity(60.0), id="a-quoted-age"),
        pytest.param("max-age=60, s-maxage=5", Validity(5.0), id="shared-caches-have-their-own-age"),
        pytest.param("max-age=60, max-age=10", Validity(10.0), id="the-shorter-of-two"),
        pytest.param("no-cache, max-age=60", Validity(0.0), id="to-be-asked-each-time"),
        pytest.param("no-store, max-age=60", Validity(0.0, may_keep=False), id="to-be-kept-nowhere"),
        pytest.param("private, max-age=60", Validity(60.0, may_keep=False, is_private=True), id="for-one-client"),
        pytest.param("max-age=abc", Validity(0.0), id="no-number"),
        pytest.param("max-age=-1", Validity(0.0), id="a-negative-number"),
        pytest.param("max-age=99999999999999999", Validity(315_360_000.0), id="ten-years-are-enough"),
        pytest.param("x" * 5000, Validity(0.0, may_keep=False), id="too-long-to-be-read"),
    ],
)
def test_what_a_source_says_of_its_life(header: str | None, expected: Validity) -> None:
    assert validity_of(header) == expected


@pytest.mark.parametrize(
    ("source", "age_s", "life_s", "left_s"),
    [
        pytest.param("max-age=60", 50, 60.0, 10.0, id="of-a-minute-50-s-have-passed"),
        pytest.param("max-age=60", 70, 60.0, -10.0, id="too-old-when-it-came"),
        pytest.param("max-age=31536000", 100_000, 186_400.0, 86_400.0, id="a-day-at-most-beside-what-has-passed"),
        pytest.param(None, 100_000, 3600.0, 3600.0, id="our-own-life-begins-now"),
    ],
)
def test_the_age_of_an_answer_is_a_part_of_its_life(
    source: str | None, age_s: float, life_s: float, left_s: float
) -> None:
    found = validity_of(source, age_s)
    assert found.life_s(3600.0, 86_400.0) == life_s
    assert life_s - found.age_s == left_s


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (None, "public, max-age=3600"),
        ("max-age=60", "public, max-age=60"),
        ("max-age=31536000", "public, max-age=86400"),
        ("max-age=0", "no-cache"),
        ("no-cache", "no-cache"),
        ("no-store", "no-store"),
        ("private, max-age=60", "private, max-age=60"),
    ],
)
def test_the_answer_lives_as_long_as_its_source_within_bounds(source: str | None, expected: str) -> None:
    assert cache_control(validity_of(source), 3600.0, 86_400.0) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, False),
        ("", False),
        (E1, True),
        (f"W/{E1}", True),
        (E2, False),
        (f"{E2}, {E1}", True),
        (f'{E2},W/"three" , {E1}', True),
        ("one", False),
        (f"nonsense {E1}", False),
        ("*", False),
        (f"{E2}," * 2000 + E1, False),
    ],
)
def test_which_versions_a_client_says_it_has(header: str | None, *, expected: bool) -> None:
    assert is_known(header, E1) is expected


@pytest.mark.parametrize(
    ("header", "expected"), [(None, False), ("no-cache", False), ("no-store", True), ("max-age=0, No-Store", True)]
)
def test_a_client_may_ask_that_its_answer_is_kept_nowhere(header: str | None, *, expected: bool) -> None:
    assert wants_no_store(header) is expected
