from __future__ import annotations

import json
from typing import Any

from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.formats import KNOWN
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.reference.catalogue import catalogue


def row(part: str, name: str) -> dict[str, Any]:
    return next(one for one in catalogue()[part] if one["name"] == name)


def test_the_catalogue_is_json() -> None:
    assert json.loads(json.dumps(catalogue())) == catalogue()


def test_every_operation_is_in_the_catalogue_with_all_its_parameters() -> None:
    listed = {one["name"]: [parameter["name"] for parameter in one["parameters"]] for one in catalogue()["operations"]}

    assert listed == {name: list(operation.parameters.model_fields) for name, operation in OPERATIONS.items()}


def test_every_operation_has_a_summary() -> None:
    assert all(one["summary"] for one in catalogue()["operations"])


def test_every_parameter_has_a_description() -> None:
    parameters = [parameter for one in catalogue()["operations"] for parameter in one["parameters"]]

    assert [parameter["name"] for parameter in parameters if not parameter["description"]] == []


def test_a_parameter_has_its_bounds_and_its_default() -> None:
    quality = row("output", "quality")

    assert (quality["minimum"], quality["maximum"], quality["default"]) == (1, 100, None)
    assert row("output", "subsampling")["default"] == "4:2:0"


def test_a_format_has_its_default_quality() -> None:
    rows = {form["name"]: form["default_quality"] for form in catalogue()["formats"]}
    assert rows["jpeg"] == 80
    assert rows["avif"] < 80 < rows["webp"]
    assert rows["png"] is None


def test_the_default_of_a_colour_is_written_as_a_colour() -> None:
    assert row("output", "background")["default"] == "ffffff"


def test_a_choice_lists_its_values() -> None:
    assert row("output", "metadata")["choices"] == ["strip", "copyright", "keep"]


def test_every_output_parameter_is_in_the_catalogue() -> None:
    assert [one["name"] for one in catalogue()["output"]] == list(Output.model_fields)


def test_every_format_is_in_the_catalogue() -> None:
    assert [one["name"] for one in catalogue()["formats"]] == list(KNOWN)


def test_a_format_lists_its_abilities() -> None:
    jpeg = row("formats", "jpeg")

    assert {key: jpeg[key] for key in ("media_type", "suffixes", "alpha", "animation", "reads", "writes")} == {
        "media_type": "image/jpeg",
        "suffixes": [".jpg", ".jpeg"],
        "alpha": False,
        "animation": False,
        "reads": True,
        "writes": True,
    }
