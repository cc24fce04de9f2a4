"""The manual page imgsrv(1) has what the parser has, and `man` and mandoc read it without a complaint."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from imgsrv.cli.documents import main, page
from imgsrv.cli.main import whole_parser
from imgsrv.cli.shell.manual import _escaped, _text
from imgsrv.settings import SETTINGS

PAGE = Path(__file__).parents[2] / "docs" / "imgsrv.1"


def program(name: str) -> str:
    """The path of a program; the test is skipped where there is none."""
    if (found := shutil.which(name)) is None:
        pytest.skip(f"there is no {name} here")
    return found


def shown() -> str:
    """The page as a terminal of a hundred columns shows it."""
    done = subprocess.run(
        [program("man"), "--warnings", "--local-file", str(PAGE)],
        env={"LC_ALL": "C.UTF-8", "MANWIDTH": "100", "PATH": "/usr/bin:/bin", "MAN_KEEP_FORMATTING": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


def test_the_page_is_in_step_with_the_parser() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()


def test_an_outdated_page_is_found(tmp_path: Path) -> None:
    (tmp_path / "imgsrv.1").write_text("old")
    assert main(["--check", str(tmp_path / "imgsrv.1")]) == 1
    assert main([str(tmp_path / "imgsrv.1")]) == 0
    assert main(["--check", str(tmp_path / "imgsrv.1")]) == 0


def test_man_shows_every_command_and_setting_without_a_warning() -> None:
    text = shown()
    commands = next(action.choices for action in whole_parser()._actions if action.dest == "==SUPPRESS==")
    assert commands is not None
    assert [name for name in commands if f"imgsrv {name}" not in text] == []
    flags = [f"--{name.replace('_', '-')}" for name in SETTINGS]
    assert [flag for flag in flags if flag not in text] == []
    assert "imgsrv convert photo.jpg small.webp resize:width=800" in text, "an example can be copied"


def test_mandoc_finds_no_error() -> None:
    done = subprocess.run(
        [program("mandoc"), "-T", "lint", "-W", "error", str(PAGE)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        pytest.param("a\\b", "a\\eb", id="backslash"),
        pytest.param(".TH", "\\&.TH", id="no-request"),
        pytest.param("'x'", "\\(aqx\\(aq", id="no-request-of-an-apostrophe"),
        pytest.param("--flag", "\\-\\-flag", id="hyphen"),
        pytest.param("3 × 4", "3 \\[u00D7] 4", id="other-letters"),
    ],
)
def test_text_means_itself(text: str, written: str) -> None:
    assert _escaped(text) == written


def test_each_sentence_has_a_line() -> None:
    assert list(_text("first one.  Second\none")) == ["First one.", "Second one."]
