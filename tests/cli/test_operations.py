from __future__ import annotations

import argparse
import json
from collections.abc import Callable

import pytest

from imgsrv.cli.listing import operations
from imgsrv.errors import BadArgument, UnknownOperation
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.formats import FORMATS
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.reference.catalogue import catalogue
from imgsrv.reference.markdown import formats_table, operations_table, output_table

Operations = Callable[..., str]


@pytest.fixture(name="imgsrv")
def _imgsrv(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Operations:
    """The output of `imgsrv operations` with the given arguments on a wide terminal."""
    monkeypatch.setenv("COLUMNS", "200")
    parser = argparse.ArgumentParser()
    operations.add_parser(parser.add_subparsers())

    def run(*arguments: str) -> str:
        parsed = parser.parse_args(["operations", *arguments])
        assert parsed.run(parsed) == 0
        return capsys.readouterr().out

    return run


def first_words(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines() if line.strip()]


def test_the_overview_names_every_operation_format_and_output_parameter(imgsrv: Operations) -> None:
    assert {*OPERATIONS, *FORMATS, *Output.model_fields} <= set(first_words(imgsrv()))


def test_without_a_known_width_each_row_is_one_line(imgsrv: Operations, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS")
    lines = imgsrv().splitlines()
    found = [line for line in lines if line.startswith("resize ")]
    assert [line.endswith(OPERATIONS["resize"].summary) for line in found] == [True]


def test_the_overview_shows_optional_parameters_in_brackets(imgsrv: Operations) -> None:
    assert "width height [enlarge]" in imgsrv()


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_the_page_of_an_operation_names_its_parameters(imgsrv: Operations, name: str) -> None:
    assert set(OPERATIONS[name].parameters.model_fields) <= set(first_words(imgsrv(name)))


def test_the_page_of_an_operation_has_examples_to_copy(imgsrv: Operations) -> None:
    page = imgsrv("resize")

    assert "  curl --data-binary @photo.jpg 'http://127.0.0.1:8000/resize?width=800' -o out.jpg\n" in page
    assert "  imgsrv convert photo.jpg out.jpg 'resize:width=800'\n" in page


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize("name", [None, "watermark", "denoise"])
def test_nothing_but_a_line_to_copy_is_wider_than_the_terminal(
    imgsrv: Operations, monkeypatch: pytest.MonkeyPatch, columns: int, name: str | None
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = imgsrv(*filter(None, [name])).splitlines()

    assert [line for line in lines if len(line) > columns and not line.startswith(("  curl ", "  imgsrv "))] == []


def test_the_details_of_an_operation_are_one_paragraph_and_its_source(imgsrv: Operations) -> None:
    lines = imgsrv("equalize").splitlines()

    assert "Source: Gonzalez & Woods, Digital Image Processing (2018), 3.3." in lines


def test_a_misspelt_operation_is_refused_with_a_suggestion(imgsrv: Operations) -> None:
    with pytest.raises(UnknownOperation, match="did you mean resize"):
        imgsrv("reszie")


def test_json_is_the_catalogue(imgsrv: Operations) -> None:
    assert json.loads(imgsrv("--json")) == catalogue()


def test_json_of_one_operation_is_its_row_of_the_catalogue(imgsrv: Operations) -> None:
    row = json.loads(imgsrv("blur", "--json"))

    assert row in catalogue()["operations"]
    assert row["name"] == "blur"


def test_markdown_is_the_tables_of_the_readme(imgsrv: Operations) -> None:
    assert imgsrv("--markdown") == f"{operations_table()}\n\n{formats_table()}\n\n{output_table()}\n"


def test_markdown_of_one_operation_is_refused(imgsrv: Operations) -> None:
    with pytest.raises(BadArgument, match="leave out blur"):
        imgsrv("blur", "--markdown")


def test_json_and_markdown_exclude_each_other(imgsrv: Operations) -> None:
    with pytest.raises(SystemExit, match="2"):
        imgsrv("--json", "--markdown")
