from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest

from imgsrv.imaging.operations import OPERATIONS
from imgsrv.imaging.pipelines.pipeline import make_step, parse_pipeline
from imgsrv.reference.examples import example_of

NAMES = sorted(OPERATIONS)


@pytest.mark.parametrize("name", NAMES)
def test_the_pipeline_of_an_example_is_canonical(name: str) -> None:
    text = example_of(OPERATIONS[name]).pipeline

    assert str(parse_pipeline(text)) == text


@pytest.mark.parametrize("name", NAMES)
def test_the_url_of_an_example_means_the_same_as_its_pipeline(name: str) -> None:
    example = example_of(OPERATIONS[name])
    url = urlsplit(example.url)

    assert str(make_step(url.path.removeprefix("/"), parse_qsl(url.query))) == example.pipeline


def test_an_operation_that_needs_one_of_several_gets_the_first() -> None:
    assert example_of(OPERATIONS["resize"]).url == "/resize?width=800"


def test_an_operation_without_parameters_has_no_query() -> None:
    assert example_of(OPERATIONS["grayscale"]).url == "/grayscale"
