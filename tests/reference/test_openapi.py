from __future__ import annotations

import json
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate
from pictures import encoded, picture

from imgsrv.errors import InvalidParameter, TooManyPixels
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.formats import KNOWN
from imgsrv.imaging.info import INCLUDES, describe_picture
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.reference.openapi import INFO, openapi
from imgsrv.reference.parameters import parameters_of
from imgsrv.reference.problems import problems
from imgsrv.routes import ROUTES
from imgsrv.web.problems import problem


@pytest.fixture(scope="module", name="document")
def _document() -> dict[str, Any]:
    return openapi("1.2.3")


def query(document: dict[str, Any], path: str) -> dict[str, dict[str, Any]]:
    return {parameter["name"]: parameter for parameter in document["paths"][path]["post"]["parameters"]}


def schema(document: dict[str, Any], name: str) -> OAS31Validator:
    return OAS31Validator({"$ref": f"#/components/schemas/{name}", "components": document["components"]})


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    validate(document)


def test_presets_are_a_parameter_of_the_pipeline(document: dict[str, Any]) -> None:
    assert "preset" not in query(document, "/pipeline")
    with_presets = openapi("1.2.3", {"thumb": "ops=flip", "grey": "ops=grayscale"})
    validate(with_presets)
    assert query(with_presets, "/pipeline")["preset"]["schema"]["items"]["enum"] == ["thumb", "grey"]


def test_keys_and_signatures_are_described_and_none_is_needed(document: dict[str, Any]) -> None:
    assert set(document["components"]["securitySchemes"]) == {"bearer", "key", "signature"}
    assert {} in document["security"]
    assert {"401", "403", "429"} <= set(document["paths"]["/flip"]["post"]["responses"])


def test_the_document_is_json(document: dict[str, Any]) -> None:
    assert json.loads(json.dumps(document)) == document


def test_the_version_is_that_of_the_server(document: dict[str, Any]) -> None:
    assert document["info"]["version"] == "1.2.3"


def test_every_route_is_described(document: dict[str, Any]) -> None:
    described = {(method.upper(), path) for path, route in document["paths"].items() for method in route}

    assert described == {
        *((row.method, path) for path, row in ROUTES.items()),
        *(("POST", f"/{name}") for name in OPERATIONS),
        *(("GET", f"/{name}") for name in (*OPERATIONS, "pipeline", "batch", "info", "uploads/{upload}")),
    }


@pytest.mark.parametrize("path", ["/resize", "/pipeline", "/batch", "/info", "/watermark"])
def test_a_get_takes_a_source_in_place_of_a_body(document: dict[str, Any], path: str) -> None:
    post, get = document["paths"][path]["post"], document["paths"][path]["get"]
    names = [parameter["name"] for parameter in get["parameters"]]

    assert "requestBody" not in get
    assert {*names} - {*query(document, path)} == {"source", *["source.watermark"] * (path == "/watermark")}
    assert get["responses"] == post["responses"]


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_an_operation_takes_its_own_and_the_output_parameters(document: dict[str, Any], name: str) -> None:
    own, output = OPERATIONS[name].parameters.model_fields, Output.model_fields

    assert set(query(document, f"/{name}")) == {*own, *output}


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_defaults_and_bounds_of_an_operation_are_in_its_query(document: dict[str, Any], name: str) -> None:
    listed = query(document, f"/{name}")

    for parameter in parameters_of(OPERATIONS[name].parameters):
        assert listed[parameter.name]["schema"].get("default") == parameter.default
        assert parameter.schema.items() <= listed[parameter.name]["schema"].items()
        assert listed[parameter.name]["required"] == parameter.is_required
        assert parameter.description in listed[parameter.name]["description"]


def test_a_parameter_of_operation_and_output_has_both_meanings(document: dict[str, Any]) -> None:
    description = query(document, "/rotate")["background"]["description"]

    assert description.startswith("Colour of the corners")
    assert "For the output: Colour behind transparent parts" in description


def test_a_pipeline_takes_its_steps_and_the_output_parameters(document: dict[str, Any]) -> None:
    assert set(query(document, "/pipeline")) == {"ops", *Output.model_fields}


def test_a_picture_is_answered_in_any_format(document: dict[str, Any]) -> None:
    answer = document["paths"]["/resize"]["post"]["responses"]["200"]

    assert set(answer["content"]) == {*(form.media_type for form in KNOWN.values() if form.is_written), "text/plain"}


def test_a_picture_is_sent_raw_or_as_a_part_named_file(document: dict[str, Any]) -> None:
    content = document["paths"]["/resize"]["post"]["requestBody"]["content"]

    assert content["*/*"] == {}
    assert content["multipart/form-data"]["schema"]["required"] == ["file"]


@pytest.mark.parametrize("path", ["/resize", "/pipeline", "/info"])
def test_every_problem_can_be_an_answer_to_a_picture(document: dict[str, Any], path: str) -> None:
    statuses = {status for status in document["paths"][path]["post"]["responses"] if status != "200"}

    assert statuses == {str(kind.status_hint) for kind in problems()}


def test_a_status_lists_its_codes(document: dict[str, Any]) -> None:
    described = document["components"]["responses"]["Problem415"]["description"]

    assert described.splitlines() == [
        "- `unsupported_format`: Bytes that are not a picture in a format that this server reads.",
        "- `unsupported_encoding`: A body in a content coding such as gzip; none is taken.",
    ]


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(TooManyPixels(20_000, 14_000, 1, 100_000_000), id="with-numbers"),
        pytest.param(InvalidParameter("blur", "sigma", "x", "a number"), id="with-null"),
    ],
)
def test_an_answer_of_the_server_fits_the_schema_of_its_error(
    document: dict[str, Any], error: TooManyPixels | InvalidParameter
) -> None:
    answer = problem(error, "a1b2")

    schema(document, type(error).__name__).validate(answer)


def test_an_answer_fits_the_schema_of_no_other_error(document: dict[str, Any]) -> None:
    answer = problem(TooManyPixels(20_000, 14_000, 1, 100_000_000), "a1b2")

    assert not schema(document, "TooManyFrames").is_valid(answer)


def test_the_description_of_a_picture_fits_its_schema(document: dict[str, Any]) -> None:
    description = describe_picture(encoded(picture("RG/BY")), Limits())

    assert list(description) == list(INFO)
    schema(document, "Info").validate(description)


def test_everything_that_a_description_can_include_fits_its_schema(document: dict[str, Any]) -> None:
    description = describe_picture(encoded(picture("RG/B.", "RGBA")), Limits(), INCLUDES)

    assert set(description) == set(document["components"]["schemas"]["Info"]["properties"])
    schema(document, "Info").validate(description)
