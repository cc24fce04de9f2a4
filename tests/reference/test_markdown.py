from __future__ import annotations

from pathlib import Path

from imgsrv.imaging.formats import KNOWN
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.reference.markdown import (
    errors_table,
    formats_table,
    operations_list,
    operations_table,
    output_table,
    settings_table,
    table,
)
from imgsrv.settings import SETTINGS
from imgsrv.settings_rows import Setting

ROOT = Path(__file__).parents[2]


STAND = (
    Setting(name="max_body", description="Largest body.", kind=int, default=64),
    Setting(name="label", description="A name."),
)


def test_a_table_has_heads_a_rule_and_rows() -> None:
    assert table(("a", "b"), [("1", "2")]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_a_bar_or_a_line_break_does_not_end_a_cell() -> None:
    assert table(("a",), [("1|2\n3",)]).splitlines()[2] == "| 1\\|2<br>3 |"


def test_every_operation_has_a_row() -> None:
    rows = operations_table().splitlines()[2:]

    assert [row.split("`")[1] for row in rows] == list(OPERATIONS)


def test_a_row_of_an_operation_has_bounds_default_and_meaning_of_its_parameters() -> None:
    assert "`amount`: a number from 0 to 10 (default 1).  1 doubles local contrast." in operations_table()


def test_a_required_parameter_is_marked() -> None:
    assert "`degrees`: a number from -360 to 360 (required)." in operations_table()


def test_an_operation_is_listed_once_with_a_link_to_the_page_that_has_its_parameters() -> None:
    headings = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8").splitlines()
    listed = operations_list()

    assert all(f"## {name}" in headings for name in OPERATIONS)
    assert [listed.count(f"[{name}](operations.md#{name})") for name in OPERATIONS] == [1] * len(OPERATIONS)


def test_every_format_has_a_row() -> None:
    assert len(formats_table().splitlines()) == len(KNOWN) + 2


def test_an_output_parameter_has_its_default() -> None:
    assert "| `subsampling` | 4:2:0 or 4:4:4 | `4:2:0` |" in output_table()


def test_the_default_quality_of_every_format_is_told() -> None:
    (line,) = [line for line in output_table().splitlines() if line.startswith("| `quality`")]
    for form in KNOWN.values():
        assert (f"{form.default_quality} for {form.label}" in line) is ("quality" in form.fields)


def test_an_error_has_status_code_and_meaning() -> None:
    assert "| 504 | `job_timeout` | A job that did not finish by its deadline. |" in errors_table()


def test_a_setting_has_flag_variable_default_and_meaning() -> None:
    assert settings_table(STAND).splitlines()[2] == "| `--max-body` | `IMGSRV_MAX_BODY` | `64` | Largest body. |"


def test_a_setting_without_default_shows_a_dash() -> None:
    assert settings_table(STAND).splitlines()[3] == "| `--label` | `IMGSRV_LABEL` | – | A name. |"


def test_every_setting_of_the_server_has_a_row() -> None:
    assert len(settings_table(SETTINGS.values()).splitlines()) == len(SETTINGS) + 2
