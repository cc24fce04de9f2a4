"""The key of a result: the same for the same result however it was asked for, and another one for all else."""

from __future__ import annotations

import pytest

from imgsrv.web.cache.key import code_version, etag_of, result_key
from imgsrv.web.query import parse_operation, parse_operations

CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"


def key(ops: str, *, source: str = "v1", accept: str | None = None, code: str = "c") -> bytes:
    pipeline, output = parse_operations(ops)
    return result_key(code, {"file": source}, pipeline, output, accept)


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("ops=resize:width=0200", id="a-number-in-other-digits"),
        pytest.param("ops=resize%3Awidth%3D200", id="another-encoding"),
        pytest.param("ops=resize:width=200,enlarge=false", id="a-default-that-is-written-out"),
        pytest.param("lossless=false&ops=resize:width=200", id="a-default-of-the-output"),
    ],
)
def test_a_request_in_other_words_has_the_same_key(words: str) -> None:
    assert key(words) == key("ops=resize:width=200")


def test_one_operation_has_the_key_of_a_pipeline_with_that_step() -> None:
    assert result_key("c", {"file": "v1"}, *parse_operation("resize", "width=200"), None) == key("ops=resize:width=200")


@pytest.mark.parametrize(
    "other",
    [
        key("ops=resize:width=201"),
        key("ops=resize:width=200/flip"),
        key("ops=resize:width=200&quality=79"),
        key("ops=resize:width=200&format=webp"),
        key("ops=resize:width=200", source="v2"),
        key("ops=resize:width=200", code="d"),
    ],
)
def test_another_result_has_another_key(other: bytes) -> None:
    assert other != key("ops=resize:width=200")


def test_the_accept_header_counts_for_an_automatic_format_alone() -> None:
    assert key("ops=flip&format=auto", accept=CHROME) != key("ops=flip&format=auto", accept="*/*")
    assert key("ops=flip&format=auto", accept=None) == key("ops=flip&format=auto", accept="*/*")
    assert key("ops=flip&format=auto", accept="image/webp, */*") == key("ops=flip&format=auto", accept="*/*,image/webp")
    assert key("ops=flip", accept=CHROME) == key("ops=flip", accept="*/*")


def test_a_validator_follows_from_the_key_and_does_not_show_it() -> None:
    one, other = etag_of(key("ops=flip")), etag_of(key("ops=flop"))
    assert one != other
    assert key("ops=flip").hex()[:32] not in one


def test_the_code_has_one_version() -> None:
    assert code_version() == code_version()
