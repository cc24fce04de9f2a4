"""A new operation is one function in one file: nothing else has to name it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pictures import encoded, opened, picture
from serving import serving

from imgsrv.imaging.operations import CATEGORIES, OPERATIONS

PYTHON = (sys.executable, "-P")
"""With -P, Python does not look for modules in the folder that it is started in."""

PACKAGE = Path(__file__).parents[3] / "imgsrv"

TRIAL = '''
"""A trial."""

from typing import Annotated

from pydantic import Field

from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.operations.registry import operation


@operation()
def trial(frame: Frame, *, level: Annotated[int, Field(ge=7, le=9, description="A level.")]) -> Frame:
    """Fill with a level."""
    return frame.point([level] * 256 * len(frame.mode))
'''


@pytest.fixture(scope="module", name="environment")
def _environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment with which a process imports a copy of imgsrv with an additional file."""
    folder = tmp_path_factory.mktemp("tree")
    shutil.copytree(PACKAGE, folder / "imgsrv", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "imgsrv/imaging/operations/detail/trial.py").write_text(TRIAL, encoding="utf-8")
    return {"PYTHONPATH": str(folder)}


def output(environment: dict[str, str], *arguments: str) -> str:
    return subprocess.run([*PYTHON, *arguments], env=environment, check=True, capture_output=True, text=True).stdout


def test_a_new_function_is_in_the_catalogue(environment: dict[str, str]) -> None:
    listed = json.loads(output(environment, "-m", "imgsrv", "operations", "trial", "--json"))

    assert (listed["summary"], listed["example"]["url"]) == ("Fill with a level.", "/trial?level=9")


def test_a_new_function_is_in_the_help_of_the_command_line(environment: dict[str, str]) -> None:
    page = output(environment, "-m", "imgsrv", "operations", "trial")

    assert "a whole number from 7 to 9" in page


def test_a_new_function_is_in_the_documents(environment: dict[str, str]) -> None:
    code = "from imgsrv.reference.markdown import operations_list; print(operations_list())"
    row = next(line for line in output(environment, "-c", code).splitlines() if "sharpness and texture" in line)

    assert "operations.md#trial" in row


def test_a_new_function_is_a_route_and_in_its_openapi_description(environment: dict[str, str]) -> None:
    program = [*PYTHON, "-m", "imgsrv"]
    with serving("--workers", "1", environment=environment, program=program) as server, server.client() as client:
        answer = client.post("/trial?level=8&format=png", content=encoded(picture("RG/BY")))
        described = client.get("/openapi.json").json()

    assert opened(answer.content).convert("RGB").getextrema() == ((8, 8), (8, 8), (8, 8))
    assert described["paths"]["/trial"]["post"]["summary"] == "Fill with a level."


def test_operations_are_listed_in_the_order_of_their_folders() -> None:
    folders = [row.run.__module__.split(".")[-2] for row in OPERATIONS.values()]

    assert folders == sorted(folders, key=CATEGORIES.index)


def test_the_most_used_operations_are_listed_first() -> None:
    assert list(OPERATIONS)[:3] == ["resize", "smartcrop", "crop"]
