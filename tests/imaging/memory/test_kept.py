"""Values that are kept: within their bound, those used last, and by several threads at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from imgsrv.imaging.memory.kept import ENTRY_BYTES, LARGEST_SHARE, Kept

PLAIN = 100 * ENTRY_BYTES


def kept(most_bytes: int = PLAIN) -> Kept[int, bytes]:
    return Kept(most_bytes, lambda _key, value: len(value))


def never() -> bytes:
    raise AssertionError("it was made again")


def test_a_value_is_made_once() -> None:
    values = kept()
    assert values.of(1, lambda: b"one") == b"one"
    assert values.of(1, never) == b"one"


def test_the_bytes_of_all_values_stay_within_the_bound() -> None:
    values = kept()
    for number in range(1000):
        values.of(number, partial(bytes, 37 * number))
        assert values.bytes <= values.most_bytes
    assert values.bytes > values.most_bytes / 2


def test_values_without_bytes_are_bounded_too() -> None:
    values = kept()
    for number in range(1000):
        values.of(number, bytes)
    assert len(values) == PLAIN // ENTRY_BYTES


def test_the_value_that_was_not_used_for_longest_goes_first() -> None:
    values = kept(LARGEST_SHARE * 2 * ENTRY_BYTES)
    for number in range(LARGEST_SHARE):
        values.of(number, lambda: bytes(ENTRY_BYTES))
    values.of(0, never)
    values.of(LARGEST_SHARE, lambda: bytes(ENTRY_BYTES))
    values.of(0, never)
    assert values.of(1, lambda: b"made again") == b"made again"


def test_a_value_of_more_than_its_share_displaces_nothing() -> None:
    values = kept()
    values.of(1, lambda: b"one")
    large = bytes(PLAIN // LARGEST_SHARE)
    assert values.of(2, lambda: large) is large
    assert len(values) == 1
    values.of(1, never)


def test_what_is_forgotten_is_made_again() -> None:
    values = kept()
    values.of(1, lambda: b"one")
    values.clear()
    assert (len(values), values.bytes) == (0, 0)
    assert values.of(1, lambda: b"another") == b"another"


def test_threads_get_the_right_values_and_count_each_once() -> None:
    values = kept(20 * ENTRY_BYTES)

    def ask(number: int) -> bool:
        key = number * 7 % 31
        return values.of(key, lambda: key.to_bytes(4, "big")) == key.to_bytes(4, "big")

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(5000)))
    assert values.bytes == len(values) * (ENTRY_BYTES + 4) <= values.most_bytes
