"""The variants of a batch: names, pipelines and outputs, given by widths or as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from imgsrv.errors import BadOutputs, ImgsrvError, InvalidParameter, UnknownOperation, UnknownParameter
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.pipelines.pipeline import Pipeline, parse_pipeline
from imgsrv.jobs.variants import Variant, parse_variants, variants_of_widths


def parsed(*items: Any, **given: str) -> tuple[Variant, ...]:
    return parse_variants(json.dumps(items).encode(), given)


def test_an_output_is_named_and_made_by_a_pipeline() -> None:
    assert parsed({"name": "small", "ops": "resize:width=320/flip", "format": "webp", "quality": 40}) == (
        Variant("small", parse_pipeline("resize:width=320/flip"), Output(format="webp", quality=40)),
    )


def test_an_output_without_operations_is_only_encoded() -> None:
    (variant,) = parsed({"name": "copy", "format": "png"})

    assert variant.pipeline == Pipeline()


def test_a_parameter_of_an_output_overrides_the_query() -> None:
    first, second = parsed({"name": "a"}, {"name": "b", "quality": "20"}, quality="90", format="webp")

    assert (first.output, second.output) == (Output(format="webp", quality=90), Output(format="webp", quality=20))


def test_true_and_false_mean_the_same_as_in_a_query() -> None:
    (variant,) = parsed({"name": "a", "format": "webp", "lossless": True})

    assert variant.output.lossless is True


def test_widths_are_reductions_named_by_their_width() -> None:
    assert variants_of_widths("320,640", {"format": "webp"}) == (
        Variant("320", parse_pipeline("resize:width=320"), Output(format="webp"), is_width=True),
        Variant("640", parse_pipeline("resize:width=640"), Output(format="webp"), is_width=True),
    )


@pytest.mark.parametrize(
    ("text", "named"),
    [
        pytest.param(b"{", "not JSON", id="no-json"),
        pytest.param(b"\xff\xfe", "not JSON", id="no-text"),
        pytest.param(b"[" * 60_000, "not JSON", id="too-deep"),
        pytest.param(b'[{"name": "a", "\\ud800": 1}]', "not JSON", id="half-a-surrogate-pair-as-name"),
        pytest.param(b'[{"name": "a", "format": "\\udfff"}]', "not JSON", id="half-a-surrogate-pair-as-value"),
        pytest.param(b'[{"name": "a", "quality": ' + b"1" * 5000 + b"}]", "not JSON", id="five-thousand-digits"),
        pytest.param(b'{"name": "a"}', "not a list", id="no-list"),
        pytest.param(b"[]", "there are none", id="empty"),
        pytest.param(b"[1]", "number 1 has no name", id="no-object"),
        pytest.param(b'[{"name": "a"}, {"ops": "flip"}]', "number 2 has no name", id="no-name"),
        pytest.param(b'[{"name": 7}]', "number 1 has no name", id="a-number-as-name"),
        pytest.param(b'[{"name": "a"}, {"name": "A"}]', "two are named 'A'", id="the-same-name"),
        pytest.param(b'[{"name": "a", "ops": ["flip"]}]', "'ops' of 'a'", id="a-list-as-value"),
        pytest.param(b'[{"name": "a", "format": null}]', "'format' of 'a'", id="null"),
        pytest.param(json.dumps([{"name": f"n{n}"} for n in range(17)]).encode(), "17 and 16", id="too-many"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused(text: bytes, named: str) -> None:
    with pytest.raises(BadOutputs, match=named):
        parse_variants(text, {})


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".hidden", "../up", "a/b", "a\\b", "a b", 'a"b', "a\r\nX: y", "a\n", "ä", "-rf", "a" * 65, "a\0"],
)
def test_a_name_that_is_not_safe_for_a_file_is_refused(name: str) -> None:
    with pytest.raises(BadOutputs, match="the name"):
        parsed({"name": name})


@pytest.mark.parametrize(
    ("item", "kind"),
    [
        pytest.param({"ops": "flipp"}, UnknownOperation, id="operation"),
        pytest.param({"ops": "resize:width=0"}, InvalidParameter, id="value"),
        pytest.param({"widht": 3}, UnknownParameter, id="parameter"),
        pytest.param({"quality": 101}, InvalidParameter, id="output"),
    ],
)
def test_an_error_names_its_output(item: dict[str, Any], kind: type[ImgsrvError]) -> None:
    with pytest.raises(kind) as caught:
        parsed({"name": "good"}, {"name": "bad", **item})

    assert caught.value.output == "bad"
    assert caught.value.detail == f"output 'bad': {caught.value}"


@pytest.mark.parametrize("text", ["", "320,", "x", "0", "320,-1", "1e3"])
def test_a_width_that_is_not_a_width_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter):
        variants_of_widths(text, {})


@pytest.mark.parametrize("text", ["320,320", ",".join(map(str, range(1, 18)))])
def test_too_many_widths_and_the_same_twice_are_refused(text: str) -> None:
    with pytest.raises(BadOutputs):
        variants_of_widths(text, {})


@pytest.mark.parametrize("count", [17, 21, 500])
def test_too_many_widths_are_counted(count: int) -> None:
    with pytest.raises(BadOutputs, match=f"there are {count} widths and 16 are allowed"):
        variants_of_widths(",".join(map(str, range(100, 100 + count))), {})
