"""Every bounded parameter at, inside and outside of its bounds; errors name parameter, bounds and a suggestion."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from imgsrv.errors import (
    BadRequest,
    InvalidParameter,
    MissingParameter,
    RepeatedParameter,
    UnknownOperation,
    UnknownParameter,
    UnusableParameters,
)
from imgsrv.imaging.codecs.output import OWNER, Output
from imgsrv.imaging.model.parameter_types import Colour, gravity_point, parse_colour
from imgsrv.imaging.model.validation import validate
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.imaging.pipelines.pipeline import make_step, parse_pipeline
from imgsrv.reference.examples import example_of
from imgsrv.wording import describe_allowed

NEEDED = {row.name: dict(parse_qsl(urlsplit(example_of(row).url).query)) for row in OPERATIONS.values()}
"""Parameters without which an operation is refused for another reason than the one under test."""

NEEDED_FOR = {
    ("resize", "focus_x"): {"fit": "cover"},
    ("resize", "focus_y"): {"fit": "cover"},
    ("pad", "edge"): {"left": "1"},
}
"""The same for one parameter of an operation."""

ALONE = {("blur", "radius")}
"""Parameters that take the place of what their operation needs otherwise."""

Row = tuple[str, str, float, float, bool]


def bounded() -> list[Row]:
    """Each number that an operation takes: operation, parameter, lowest, highest, and whether it is whole."""
    rows: list[Row] = []
    for name, operation in OPERATIONS.items():
        properties = operation.parameters.model_json_schema().get("properties", {})
        for parameter, schema in properties.items():
            for option in schema.get("anyOf", [schema]):
                if option.get("type") in ("integer", "number") and "minimum" in option:
                    most = option.get("maximum", float("inf"))
                    rows.append((name, parameter, option["minimum"], most, option["type"] == "integer"))
    return rows


def ids(row: Row) -> str:
    return f"{row[0]}-{row[1]}"


def give(name: str, parameter: str, value: str) -> object:
    needed = {} if (name, parameter) in ALONE else NEEDED[name]
    given = {**needed, **NEEDED_FOR.get((name, parameter), {}), parameter: value}
    return getattr(make_step(name, given.items()).arguments, parameter)


def refusal(name: str, parameter: str, value: str) -> InvalidParameter:
    with pytest.raises(InvalidParameter) as caught:
        give(name, parameter, value)
    assert (caught.value.owner, caught.value.parameter, caught.value.value) == (name, parameter, value)
    return caught.value


def test_there_are_bounded_parameters() -> None:
    assert {(row[0], row[1]) for row in bounded()} >= {("resize", "width"), ("blur", "sigma"), ("rotate", "degrees")}


@pytest.mark.parametrize("row", bounded(), ids=ids)
def test_the_bounds_themselves_are_allowed(row: Row) -> None:
    name, parameter, low, high, _ = row
    assert give(name, parameter, f"{low}") == low
    if high != float("inf"):
        assert give(name, parameter, f"{high}") == high


@pytest.mark.parametrize("row", bounded(), ids=ids)
def test_a_value_outside_of_the_bounds_is_refused_and_the_bounds_are_named(row: Row) -> None:
    name, parameter, low, high, is_whole = row
    step = 1 if is_whole else 0.001

    assert f"{low:.15g}" in refusal(name, parameter, f"{low - step}").allowed
    if high != float("inf"):
        assert f"from {low:.15g} to {high:.15g}" in str(refusal(name, parameter, f"{high + step}"))


@pytest.mark.parametrize("value", ["nan", "NaN", "inf", "-inf", "1e999", "abc", "", "1,5", "0x10", "true", "1 2"])
@pytest.mark.parametrize("row", bounded(), ids=ids)
def test_a_value_that_is_no_finite_number_is_refused(row: Row, value: str) -> None:
    assert "number" in refusal(row[0], row[1], value).allowed


@pytest.mark.parametrize("row", [row for row in bounded() if row[4]], ids=ids)
def test_a_whole_number_has_no_fraction(row: Row) -> None:
    assert "a whole number" in refusal(row[0], row[1], "5.5").allowed


@pytest.mark.parametrize(
    ("parameter", "value", "allowed", "suggestion"),
    [
        pytest.param("fit", "covr", "inside, outside, cover, contain or fill", "cover", id="misspelt"),
        pytest.param("fit", "zzz", "inside, outside, cover, contain or fill", None, id="nothing-near"),
        pytest.param("fit", "COVER", "inside, outside, cover, contain or fill", "cover", id="capitals"),
        pytest.param("gravity", "centre", "center, north", "center", id="british"),
        pytest.param("kernel", "lanczos3", "nearest, box", "lanczos", id="with-a-number"),
        pytest.param("enlarge", "maybe", "true or false", None, id="boolean"),
        pytest.param("background", "reddish", "a colour such as ff8800", None, id="colour"),
    ],
)
def test_a_wrong_choice_names_the_choices_and_the_nearest(
    parameter: str, value: str, allowed: str, suggestion: str | None
) -> None:
    error = refusal("resize", parameter, value)
    assert allowed in str(error)
    assert error.suggestion == suggestion
    assert (f"did you mean {suggestion}?" in str(error)) == (suggestion is not None)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_unknown_parameter_is_refused_and_the_known_ones_are_named(name: str) -> None:
    with pytest.raises(UnknownParameter) as caught:
        make_step(name, {**NEEDED[name], "colour_space": "x"}.items())
    assert caught.value.allowed == list(OPERATIONS[name].parameters.model_fields)
    assert caught.value.parameter == "colour_space"


Parameter = tuple[str, str, dict[str, Any]]


def every_parameter() -> list[Parameter]:
    """Operation, parameter and schema of every parameter."""
    return [
        (name, parameter, schema)
        for name, operation in OPERATIONS.items()
        for parameter, schema in operation.parameters.model_json_schema().get("properties", {}).items()
    ]


def parameter_ids(row: Parameter) -> str:
    return f"{row[0]}-{row[1]}"


ANY_TEXT = ("text",)
"""Parameters that take every text but the empty one and one that is too long."""


@pytest.mark.parametrize("value", ["", "nan", "1e999", "no such thing", "\0", "٣", "1;2", "x" * 2000])
@pytest.mark.parametrize("row", every_parameter(), ids=parameter_ids)
def test_a_value_of_the_wrong_type_is_refused_with_what_is_allowed(row: Parameter, value: str) -> None:
    name, parameter, schema = row
    if parameter in ANY_TEXT and 1 <= len(value) <= schema["maxLength"]:
        return
    if parameter == "part" and value in ("nan", "1e999"):
        return
    message = str(refusal(name, parameter, value))
    assert f"{parameter}={value}"[:60] in message
    # The names of fonts are those of the server, and are told in place of an example.
    allowed = "the name of a font: there are SourceSansPro-Black" if parameter == "font" else describe_allowed(schema)
    assert f"of {name} is not allowed: it must be {allowed}" in message


@pytest.mark.parametrize("row", every_parameter(), ids=parameter_ids)
def test_an_error_gives_bounds_choices_or_an_example(row: Parameter) -> None:
    said = describe_allowed(row[2])
    for option in row[2].get("anyOf", [row[2]]):
        for bound in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength"):
            assert bound not in option or f"{option[bound]:.15g}" in said
        for choice in option.get("enum", ()):
            assert choice in said
        is_free = option.get("type") == "string" and "enum" not in option
        assert not is_free or any(example in said for example in option["examples"])


@pytest.mark.parametrize(
    ("name", "parameter", "choice"),
    [
        pytest.param(name, parameter, choice, id=f"{name}-{parameter}-{choice}")
        for name, parameter, schema in every_parameter()
        for option in schema.get("anyOf", [schema])
        for choice in option.get("enum", ())
    ],
)
def test_a_misspelt_choice_gets_a_suggestion(name: str, parameter: str, choice: str) -> None:
    suggestion = refusal(name, parameter, f"{choice[:-1]}_{choice[-1]}").suggestion
    assert suggestion is not None
    assert suggestion.startswith(choice[:3])


@pytest.mark.parametrize("row", every_parameter(), ids=parameter_ids)
def test_a_misspelt_parameter_gets_a_suggestion(row: Parameter) -> None:
    name, parameter, _ = row
    misspelt = f"{parameter[:-1]}_{parameter[-1]}" if len(parameter) > 1 else f"{parameter}_"
    with pytest.raises(UnknownParameter) as caught:
        make_step(name, {**NEEDED[name], misspelt: "1"}.items())
    assert caught.value.suggestion == parameter or len(parameter) < 4


@pytest.mark.parametrize("row", every_parameter(), ids=parameter_ids)
def test_every_parameter_given_twice_is_refused(row: Parameter) -> None:
    with pytest.raises(RepeatedParameter, match=f"{row[1]} is given more than once to {row[0]}"):
        make_step(row[0], [(row[1], "1"), (row[1], "1")])


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_required_parameter_is_named_if_it_is_missing(name: str) -> None:
    schema = OPERATIONS[name].parameters.model_json_schema()
    for parameter in schema.get("required", ()):
        others = {key: value for key, value in NEEDED[name].items() if key != parameter}
        with pytest.raises(MissingParameter) as caught:
            make_step(name, others.items())
        assert caught.value.parameter == parameter
        assert caught.value.allowed == describe_allowed(schema["properties"][parameter])


def test_an_unknown_parameter_gets_a_suggestion() -> None:
    with pytest.raises(UnknownParameter, match=r"did you mean width\?"):
        make_step("resize", [("widht", "5")])


@pytest.mark.parametrize("name", ["smartcrop", "rotate", "motionblur", "brightness", "contrast", "saturation"])
def test_a_missing_parameter_is_named_with_what_is_allowed(name: str) -> None:
    with pytest.raises(MissingParameter) as caught:
        make_step(name, [])
    assert caught.value.parameter == next(iter(NEEDED[name]))
    assert "number" in caught.value.allowed


def test_a_repeated_parameter_is_refused() -> None:
    with pytest.raises(RepeatedParameter, match="width is given more than once to resize"):
        make_step("resize", [("width", "5"), ("width", "5")])


@pytest.mark.parametrize(
    ("name", "suggestion"), [("resise", "resize"), ("Blur", "blur"), ("greyscale", "grayscale"), ("zzz", None)]
)
def test_an_unknown_operation_gets_a_suggestion(name: str, suggestion: str | None) -> None:
    with pytest.raises(UnknownOperation) as caught:
        make_step(name, [])
    assert caught.value.suggestion == suggestion


@pytest.mark.parametrize(
    ("text", "colour"),
    [
        ("ff8800", (255, 136, 0, 255)),
        ("#ff8800", (255, 136, 0, 255)),
        ("f80", (255, 136, 0, 255)),
        ("FF880080", (255, 136, 0, 128)),
        ("orange", (255, 165, 0, 255)),
        ("rgb(255,136,0)", (255, 136, 0, 255)),
        ("hsl(0,100%,50%)", (255, 0, 0, 255)),
        ("transparent", (0, 0, 0, 0)),
        ("000", (0, 0, 0, 255)),
    ],
)
def test_colours_are_parsed(text: str, colour: tuple[int, int, int, int]) -> None:
    assert parse_colour(text) == colour


@pytest.mark.parametrize(
    "text", ["", "ff", "fffff", "ggg", "#", "rgb(1,2)", "rgb(300,0,0)", "rgb(-1,0,0)", "é", "x" * 1000]
)
def test_a_value_that_is_no_colour_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        make_step("resize", [("width", "5"), ("background", text)])


@pytest.mark.parametrize("colour", [Colour(1, 2, 3), Colour(1, 2, 3, 0), Colour(255, 255, 255, 254)])
def test_a_printed_colour_is_parsed_as_itself(colour: Colour) -> None:
    assert parse_colour(str(colour)) == colour


def test_gravity_is_a_point() -> None:
    assert gravity_point("northwest") == (0, 0)
    assert gravity_point("east") == (1, 0.5)
    assert gravity_point("south") == (0.5, 1)
    assert gravity_point("center") == (0.5, 0.5)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        pytest.param({"quality": "0"}, "quality=0 of output is not allowed: it must be a whole number from 1 to 100"),
        pytest.param({"quality": "101"}, "from 1 to 100"),
        pytest.param({"quality": "nan"}, "a whole number"),
        pytest.param({"effort": "10"}, "from 0 to 9"),
        pytest.param({"lossless": "perhaps"}, "true or false"),
        pytest.param({"format": "jepg"}, "did you mean jpeg?"),
        pytest.param({"metadata": "all"}, "strip, copyright or keep"),
        pytest.param({"background": "nocolour"}, "a colour such as"),
        pytest.param({"qality": "5"}, "did you mean quality?"),
    ],
    ids=str,
)
def test_output_parameters_are_checked(given: dict[str, str], error: str) -> None:
    with pytest.raises(BadRequest) as caught:
        validate(Output, given, owner=OWNER)
    assert error in str(caught.value)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("png", "quality"), ("png", "lossless"), ("jpeg", "lossless"), ("gif", "effort"), ("gif", "quality"),
        ("webp", "progressive"), ("avif", "progressive"), ("bmp", "effort"), ("tiff", "quality"), ("jp2", "effort"),
    ],
)  # fmt: skip
def test_a_parameter_that_the_format_does_not_use_is_refused(name: str, given: str) -> None:
    value = {"quality": "50", "lossless": "true", "effort": "5", "progressive": "true"}[given]
    output = validate(Output, {"format": name, given: value}, owner=OWNER)
    with pytest.raises(UnusableParameters, match=f"format={name} has no use for {given}"):
        output.check()


def test_a_parameter_at_its_bound_is_printed_without_loss() -> None:
    assert str(parse_pipeline("blur:sigma=0.3/rotate:degrees=-360")) == "blur:sigma=0.3/rotate:degrees=-360"
