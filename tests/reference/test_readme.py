from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from imgsrv.cli.documents import main, sections
from imgsrv.errors import BadArgument
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.reference.markdown import operations_list
from imgsrv.reference.readme import render, stale_sections

STALE = "before\n<!-- generated: a -->\nold\n<!-- end -->\nbetween\n<!-- generated: b -->\n<!-- end -->\nafter\n"
FRESH = "before\n<!-- generated: a -->\nA\n<!-- end -->\nbetween\n<!-- generated: b -->\nB\\1\n<!-- end -->\nafter\n"
SECTIONS = {"a": "A", "b": "B\\1"}


def test_the_text_between_the_marks_is_replaced() -> None:
    assert render(STALE, SECTIONS) == FRESH


def test_rendering_again_changes_nothing() -> None:
    assert render(FRESH, SECTIONS) == FRESH


def test_a_text_without_marks_is_unchanged() -> None:
    assert render("plain\n<!-- end -->\n", SECTIONS) == "plain\n<!-- end -->\n"


def test_a_stale_section_is_named() -> None:
    assert stale_sections(STALE.replace("old", "A"), SECTIONS) == ["b"]


def test_no_fresh_section_is_stale() -> None:
    assert stale_sections(FRESH, SECTIONS) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("<!-- generated: a -->\nold\n", "'a' has no <!-- end -->", id="no-end"),
        pytest.param(
            "<!-- generated: a -->\n<!-- generated: b -->\n<!-- end -->\n",
            "'a' has no <!-- end -->",
            id="end-of-another",
        ),
        pytest.param("<!-- generated: c -->\n<!-- end -->\n", "no generated section 'c'", id="unknown"),
    ],
)
def test_invalid_marks_are_refused(text: str, message: str) -> None:
    with pytest.raises(BadArgument, match=message):
        render(text, SECTIONS)


@pytest.fixture(name="readme")
def _readme(tmp_path: Path) -> Path:
    file = tmp_path / "README.md"
    file.write_text("".join(f"<!-- generated: {name} -->\n<!-- end -->\n" for name in sections()), encoding="utf-8")
    return file


def test_the_command_writes_every_section(readme: Path) -> None:
    assert main([str(readme)]) == 0

    assert all(table in readme.read_text(encoding="utf-8") for table in sections().values())


def test_the_check_passes_what_the_command_has_written(readme: Path) -> None:
    main([str(readme)])

    assert main([str(readme), "--check"]) == 0


def test_the_check_names_the_stale_section_and_changes_nothing(
    readme: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([str(readme)])
    edited = readme.read_text(encoding="utf-8").replace("job_timeout", "job_timed_out")
    readme.write_text(edited, encoding="utf-8")

    assert main([str(readme), "--check"]) == 1

    assert "the section 'errors' is out of date" in capsys.readouterr().err
    assert readme.read_text(encoding="utf-8") == edited


def test_a_missing_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none.md")]) == 2

    assert "none.md" in capsys.readouterr().err


def test_a_fresh_process_knows_every_operation(readme: Path) -> None:
    # In this process other tests have filled the registry.
    subprocess.run([sys.executable, "-m", "imgsrv.cli.documents", str(readme)], check=True)

    assert operations_list() in readme.read_text(encoding="utf-8")


@pytest.mark.parametrize("module", ["catalogue", "examples", "markdown", "openapi"])
def test_any_view_alone_finds_every_operation(module: str) -> None:
    code = f"import imgsrv.reference.{module}; from imgsrv.imaging.operations import OPERATIONS; print(*OPERATIONS)"

    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout

    assert printed.split() == list(OPERATIONS)
