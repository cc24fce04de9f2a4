from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.model.parameter_types import WHITE, ColourParameter
from imgsrv.reference.parameters import Parameter, default_text, parameters_of


class Model(BaseModel):
    width: Annotated[int, Field(ge=1, le=9, description="Pixels.")]
    height: Annotated[int | None, Field(ge=1)] = None
    factor: Annotated[float, Field(gt=0, le=2)] = 1.0
    is_sharp: bool = False
    fit: Literal["cover", "fill"] = "fill"
    background: ColourParameter = WHITE


def parameter(name: str) -> Parameter:
    return next(one for one in parameters_of(Model) if one.name == name)


def test_parameters_come_in_the_order_of_their_declaration() -> None:
    names = [one.name for one in parameters_of(Model)]

    assert names == ["width", "height", "factor", "is_sharp", "fit", "background"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        pytest.param("width", "a whole number from 1 to 9", id="bounded-integer"),
        pytest.param("height", "a whole number of at least 1", id="optional-integer"),
        pytest.param("factor", "a number above 0 and at most 2", id="exclusive-bound"),
        pytest.param("is_sharp", "true or false", id="switch"),
        pytest.param("fit", "cover or fill", id="choice"),
        pytest.param("background", "a colour such as ff8800, white or transparent", id="colour"),
    ],
)
def test_words_give_type_and_bounds(name: str, words: str) -> None:
    assert parameter(name).words == words


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("width", "", id="required"),
        pytest.param("height", "", id="none"),
        pytest.param("factor", "1", id="whole-float"),
        pytest.param("is_sharp", "false", id="switch"),
        pytest.param("fit", "fill", id="choice"),
        pytest.param("background", "ffffff", id="colour"),
    ],
)
def test_a_default_is_written_as_a_caller_would_write_it(name: str, text: str) -> None:
    assert default_text(parameter(name)) == text


def test_only_a_parameter_without_default_is_required() -> None:
    assert [one.name for one in parameters_of(Model) if one.is_required] == ["width"]


def test_the_schema_of_an_optional_parameter_does_not_have_null() -> None:
    assert parameter("height").schema == {"type": "integer", "minimum": 1}


def test_every_output_parameter_has_a_description() -> None:
    assert all(one.description for one in parameters_of(Output))
