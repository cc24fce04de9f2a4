"""Parameters with several numbers in one value: `1;0;0;0;1;0;0;0;1`, or points of a curve: `0:0;0.5:0.6;1:1`.

A value of a pipeline may contain `;` and `:` without percent-encoding.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

BETWEEN_NUMBERS, BETWEEN_AXES = ";", ":"

LARGEST_NUMBER = 100
KERNEL_SIDES = range(3, 16, 2)
MATRIX_SIZE = 9
POINTS = range(2, 33)
CORNERS = 4
LEAST_TURN = 1e-4
"""Least value for each corner: twice the area of the triangle with its neighbours, as a fraction of the picture."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Numbers:
    """Numbers in the order of the text; a matrix has them row by row."""

    values: tuple[float, ...]

    def __str__(self) -> str:
        return BETWEEN_NUMBERS.join(map(_printed, self.values))


@dataclass(frozen=True, slots=True)
class Curve:
    """Points (x, y) between 0 and 1: those of a curve from left to right, or corners clockwise."""

    points: tuple[Point, ...]

    def __str__(self) -> str:
        return BETWEEN_NUMBERS.join(BETWEEN_AXES.join(map(_printed, point)) for point in self.points)


def parse_matrix(value: Any) -> Numbers:
    """Nine numbers of a 3 by 3 matrix.  Raises ValueError for anything else."""
    matrix = _parse_numbers(value)
    if len(matrix.values) != MATRIX_SIZE:
        raise ValueError(f"{len(matrix.values)} numbers are not a matrix of 3 by 3")
    return matrix


def parse_kernel(value: Any) -> Numbers:
    """Numbers of a square with an odd side of 3 to 15.  Raises ValueError for anything else."""
    kernel = _parse_numbers(value)
    if len(kernel.values) not in {side * side for side in KERNEL_SIDES}:
        raise ValueError(f"{len(kernel.values)} numbers do not fill a square with an odd side of 3 to 15")
    return kernel


def parse_curve(value: Any) -> Curve:
    """Points between 0 and 1, each further right than the one before.  Raises ValueError for anything else."""
    if isinstance(value, Curve):
        return value
    points = tuple(_parse_point(text) for text in str(value).split(BETWEEN_NUMBERS))
    if len(points) not in POINTS or not all(0 <= axis <= 1 for point in points for axis in point):
        raise ValueError("a curve has 2 to 32 points between 0 and 1")
    if any(left[0] >= right[0] for left, right in itertools.pairwise(points)):
        raise ValueError("each point of a curve must lie further right than the one before")
    return Curve(points)


def parse_corners(value: Any) -> Curve:
    """The corners of a convex quadrilateral, clockwise from the top left.  Raises ValueError for anything else."""
    if isinstance(value, Curve):
        return value
    points = tuple(_parse_point(text) for text in str(value).split(BETWEEN_NUMBERS))
    if len(points) != CORNERS or not all(0 <= axis <= 1 for point in points for axis in point):
        raise ValueError("corners are 4 points between 0 and 1")
    if any(_turn(points[index - 2], points[index - 1], points[index]) <= LEAST_TURN for index in range(CORNERS)):
        raise ValueError("the corners do not go clockwise around a convex shape, or two of them are too close")
    return Curve(points)


def _turn(before: Point, at: Point, after: Point) -> float:
    """Twice the area of the triangle; above 0 if the corner turns clockwise (y points downwards)."""
    return (at[0] - before[0]) * (after[1] - at[1]) - (at[1] - before[1]) * (after[0] - at[0])


def _parse_numbers(value: Any) -> Numbers:
    if isinstance(value, Numbers):
        return value
    numbers = _finite(str(value).split(BETWEEN_NUMBERS))
    if max(map(abs, numbers)) > LARGEST_NUMBER:
        raise ValueError(f"a number is larger than {LARGEST_NUMBER}")
    return Numbers(numbers)


def _parse_point(text: str) -> Point:
    # Unpacking raises ValueError unless there are two numbers; pydantic expects ValueError of a validator.
    across, up = _finite(text.split(BETWEEN_AXES))
    return across, up


def _finite(texts: Iterable[str]) -> tuple[float, ...]:
    numbers = tuple(map(float, texts))
    if not all(map(math.isfinite, numbers)):
        raise ValueError("a number is not finite")
    return numbers


def _printed(number: float) -> str:
    return f"{number:.12g}"


def _parameter(parse: Callable[[Any], Any], form: str, *examples: str) -> tuple[Any, ...]:
    """Validation, printing and JSON schema of a parameter type, for Annotated."""
    schema = {"type": "string", "format": form, "examples": list(examples)}
    return PlainValidator(parse), PlainSerializer(str, return_type=str), WithJsonSchema(schema)


MatrixParameter = Annotated[Numbers, *_parameter(parse_matrix, "matrix", "0.8;0.2;0;0;1;0;0;0.2;0.8")]
KernelParameter = Annotated[Numbers, *_parameter(parse_kernel, "kernel", "0;-1;0;-1;5;-1;0;-1;0")]
CurveParameter = Annotated[Curve, *_parameter(parse_curve, "curve", "0:0;0.5:0.6;1:1")]
CornersParameter = Annotated[Curve, *_parameter(parse_corners, "corners", "0.1:0;0.9:0.1;1:1;0:0.9")]
