"""The grammar of pipelines: parse and print are inverses, and errors explain what breaks it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from pictures import drawn, picture, result
from pydantic import ValidationError

from imgsrv.errors import BadPipeline, ImgsrvError
from imgsrv.imaging.model.parameter_types import Aspect, Colour
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.imaging.pipelines.pipeline import MAX_STEPS, Pipeline, Step, parse_pipeline


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("grayscale", id="no-parameters"),
        pytest.param("resize:width=800,height=600,fit=cover/sharpen:amount=0.8/grayscale", id="three-steps"),
        pytest.param("resize:width=5,background=ff880080", id="colour"),
        pytest.param("resize:height=5,enlarge=true", id="boolean"),
        pytest.param("rotate:degrees=-0.5", id="negative"),
        pytest.param("blur:sigma=0.333333333333", id="twelve-digits"),
    ],
)
def test_canonical_text_is_printed_unchanged(text: str) -> None:
    assert str(parse_pipeline(text)) == text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        pytest.param("resize:height=5,width=6", "resize:width=6,height=5", id="order"),
        pytest.param("resize:width=5,fit=inside", "resize:width=5", id="defaults-are-left-out"),
        pytest.param("resize:width=5,enlarge=1", "resize:width=5,enlarge=true", id="one-is-true"),
        pytest.param("rotate:degrees=90.0", "rotate:degrees=90", id="no-needless-digits"),
        pytest.param("resize:width=5,background=rgb(1%2C2%2C3)", "resize:width=5,background=010203", id="escaped"),
        pytest.param("sharpen:", "sharpen", id="no-needless-colon"),
    ],
)
def test_other_spellings_become_canonical(text: str, canonical: str) -> None:
    assert str(parse_pipeline(text)) == canonical


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("/", "an empty step", id="only-a-slash"),
        pytest.param("flip//flop", "an empty step", id="two-slashes"),
        pytest.param("flip/", "an empty step", id="slash-at-the-end"),
        pytest.param("resize:width", "is not written as parameter=value", id="no-value"),
        pytest.param("resize:=5", "is not written as parameter=value", id="no-parameter"),
        pytest.param("resize:width=5,", "is not written as parameter=value", id="comma-at-the-end"),
        pytest.param("/".join(["flip"] * (MAX_STEPS + 1)), f"the limit is {MAX_STEPS}", id="too-many-steps"),
    ],
)
def test_a_text_that_breaks_the_grammar_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(BadPipeline) as caught:
        parse_pipeline(text)
    assert reason in str(caught.value)
    assert "write it like resize:width=800" in str(caught.value)
    assert len(str(caught.value)) < 600


def test_as_many_steps_as_are_allowed_can_be_run() -> None:
    assert drawn(result(picture("RG"), "/".join(["flop"] * MAX_STEPS))) == "RG"


def test_steps_run_in_their_order() -> None:
    assert drawn(result(picture("RG/BY"), "crop:width=1,height=2,left=0/rotate:degrees=90")) == "BR"


@given(st.text(alphabet="resizeblurwidthfit:=,/%0123456789.-é", max_size=60))
def test_any_text_is_a_pipeline_or_an_error_of_ours(text: str) -> None:
    try:
        pipeline = parse_pipeline(text)
    except ImgsrvError:
        return
    assert parse_pipeline(str(pipeline)) == pipeline


def texts_of(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "colour" in schema.get("format", ""):
        alpha = st.integers(0, 255) if schema["format"] == "colour" else st.just(255)
        return st.builds(Colour, *[st.integers(0, 255)] * 3, alpha)
    if schema.get("format") == "aspect":
        return st.builds(Aspect, st.integers(1, 100), st.integers(1, 100))
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True)
    return st.text(min_size=1, max_size=20) if "maxLength" in schema else st.sampled_from(schema["examples"])


def values_of(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Any valid value of a parameter, from its JSON schema."""
    option = schema.get("anyOf", [schema])[0]
    if "enum" in option:
        return st.sampled_from(option["enum"])
    if option["type"] == "string":
        return texts_of(option)
    if option["type"] == "boolean":
        return st.booleans()
    if option["type"] == "integer":
        return st.integers(option["minimum"], option.get("maximum", 10_000))
    return st.floats(option["minimum"], option["maximum"]).map(lambda value: float(f"{value:.12g}"))


NEEDED = {
    "resize": ["width"],
    "crop": ["width"],
    "blur": ["sigma"],
    "shear": ["x"],
    "pad": ["edge"],
    "extend": ["width"],
}
"""Parameters of which an operation needs one."""

SCHEMAS = {name: operation.parameters.model_json_schema() for name, operation in OPERATIONS.items()}
"""Made once: making one takes longer than all else in an example."""


@st.composite
def steps(draw: st.DrawFn) -> Step:
    operation = OPERATIONS[draw(st.sampled_from(sorted(OPERATIONS)))]
    schema = SCHEMAS[operation.name]
    required = {*schema.get("required", []), *NEEDED.get(operation.name, ())}
    given_values = {
        name: draw(values_of(of))
        for name, of in schema.get("properties", {}).items()
        if name in required or draw(st.booleans())
    }
    try:
        return Step(operation, operation.parameters.model_validate(given_values))
    except ValidationError:
        # Each value is right by itself, but not all go together: black above white.
        reject()


@given(st.lists(steps(), max_size=5))
def test_parse_undoes_print(listed: list[Step]) -> None:
    pipeline = Pipeline(tuple(listed))
    assert parse_pipeline(str(pipeline)) == pipeline
