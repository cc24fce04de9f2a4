"""The registry: helpers of an operation take its parameters as keywords, by name and with their types."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Annotated, TypedDict, Unpack

import pytest
from PIL import Image
from pydantic import Field

from imgsrv.errors import UnusableParameters
from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.picture import Frame, Source
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.imaging.operations.registry import from_arguments, operation
from imgsrv.imaging.pipelines.pipeline import make_step, parse_pipeline


@pytest.fixture(name="folder")
def _folder(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module in a folder of operations, for functions that a test defines."""
    folder = ModuleType("trial_folder")
    monkeypatch.setattr(folder, "CATEGORY", "trials", raising=False)
    monkeypatch.setitem(sys.modules, "trial_folder", folder)
    return "trial_folder.module"


class Sides(TypedDict):
    width: int
    height: int


def fixed_size(_before: Size, **sides: Unpack[Sides]) -> Size:
    return sides["width"], sides["height"]


def no_square(*, width: int, height: int) -> None:
    if width == height:
        raise ValueError("it is a square")


def widest(frames: Sequence[Frame], _source: Source, *, width: int) -> int:
    return max(width, *(frame.width for frame in frames))


Side = Annotated[int, Field(ge=1, le=99, description="A side.")]


def stretch(frame: Frame, widest: int, *, width: Side, height: Side = 3) -> Frame:
    """Stretch."""
    return frame.resize((max(width, widest), height))


def test_helpers_get_the_parameters_that_they_declare(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stretch, "__module__", folder)
    operation(size=fixed_size, check=no_square, survey=widest)(stretch)
    try:
        step = make_step("stretch", [("width", "5")])
        frames = step.operation.apply([Image.new("L", (4, 4)), Image.new("L", (8, 1))], step.arguments, None)
        with pytest.raises(UnusableParameters, match="it is a square"):
            make_step("stretch", [("width", "3")])
    finally:
        del OPERATIONS["stretch"]

    assert step.result_size((1, 1)) == (5, 3)
    assert [frame.size for frame in frames] == [(8, 3), (8, 3)]
    assert step.operation.category == "trials"


def unknown_keyword(before: Size, *, depth: int) -> Size:
    return before if depth else (0, 0)


def wrong_type(before: Size, *, width: str) -> Size:
    return before if width else (0, 0)


@pytest.mark.parametrize(("size", "message"), [(unknown_keyword, "takes depth"), (wrong_type, "takes width")])
def test_a_helper_that_does_not_fit_the_operation_is_refused(size: Callable[..., Size], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        operation(size=size)(stretch)

    assert "stretch" not in OPERATIONS


def test_a_function_without_keywords_is_given_none() -> None:
    assert from_arguments(lambda before: before)("first", parse_pipeline("blur:sigma=1").steps[0].arguments) == "first"
