"""A pipeline: parsed from one line of text, printed back to it, run on a picture.

    resize:width=800,height=600,fit=cover/sharpen:amount=0.8/grayscale

`parse_pipeline` and `str` are inverses for canonical text, which names only parameters that differ from their defaults.
A value that contains one of `/ , : = %` is percent-encoded.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

from imgsrv.errors import BadPipeline, MisplacedParameter, MissingPart, RepeatedParameter, UnknownOperation, UnusedPart
from imgsrv.foreign_advice import operation_advice
from imgsrv.imaging import operations
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.model.limits import Data, ExactSize, Limits, Size
from imgsrv.imaging.model.picture import Picture
from imgsrv.imaging.model.validation import validate
from imgsrv.imaging.operations.registry import Arguments, Operation
from imgsrv.imaging.operations.shape import CATEGORY as SHAPES
from imgsrv.imaging.pipelines.gain_map import finished_gain_map, gain_map_after
from imgsrv.imaging.pixels.sixteen_bit import is_deep, shallow
from imgsrv.imaging.pixels.working_frame import finished, working
from imgsrv.wording import closest

MAX_STEPS = 32

KEPT_SIZES = 1024
"""Sizes of results that are kept: an estimate and the plans of a job ask for the same ones."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operation with its validated arguments."""

    operation: Operation
    arguments: Arguments

    def __str__(self) -> str:
        given = self.arguments.model_dump(exclude_defaults=True)
        values = ",".join(f"{name}={_print_value(value)}" for name, value in given.items())
        return f"{self.operation.name}:{values}" if values else self.operation.name

    @property
    def part(self) -> str | None:
        """The name of the further part of the upload that the step uses; None if it uses none."""
        return self.operation.part_of(self.arguments)

    @property
    def may_be_reduced(self) -> bool:
        """As first step, it accepts a JPEG that was decoded at a smaller scale."""
        return self.operation.is_reduction and not self.operation.needs_every_pixel(self.arguments)

    @property
    def is_scale_free(self) -> bool:
        """It does the same to a picture at any scale: nothing of it is given in pixels."""
        return self.operation.is_scale_free(self.arguments)

    @property
    def enlarging(self) -> Step:
        """The same step, which also makes a picture larger than it is."""
        return replace(self, arguments=self.arguments.model_copy(update={"enlarge": True}))

    def result_size(self, before: ExactSize) -> Size:
        """(width, height) after this step, or an upper bound for it.  Raises OperationDoesNotFit."""
        return _result_size(self, before)

    def scaled_size(self, before: ExactSize) -> Size:
        """(width, height) to which a step that scales the whole picture scales it, before it cuts off or adds."""
        scaled = self.operation.scaled_size or self.operation.result_size
        return scaled(before, self.arguments)

    def read_part(self, parts: Mapping[str, Data], limits: Limits) -> Any:
        """The result of reading the further part, which is read once for all frames; None if the step uses none."""
        if self.part is None or self.operation.read_part is None:
            return None
        if self.part not in parts:
            raise MissingPart(self.operation.name, self.part)
        return self.operation.read_part(parts[self.part], limits)


@lru_cache(maxsize=KEPT_SIZES)
def _result_size(step: Step, before: ExactSize) -> Size:
    return step.operation.result_size(before, step.arguments)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Steps in the order in which they run.  A pipeline without steps only re-encodes."""

    steps: tuple[Step, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Pipeline:
        """The pipeline of a text.  Raises UnknownOperation and the children of BadRequest."""
        return parse_pipeline(text)

    def __str__(self) -> str:
        return "/".join(map(str, self.steps))

    @property
    def keeps_depth(self) -> bool:
        """Every step keeps 16 bits per channel."""
        return all(step.operation.keeps_depth(step.arguments) for step in self.steps)

    def check_parts(self, names: Collection[str]) -> None:
        """Raise MissingPart for a part that a step needs and that is missing, UnusedPart for one that no step uses."""
        wanted = {part: step.operation.name for step in self.steps if (part := step.part) is not None}
        unused = set(names) - set(wanted)
        for part, operation in wanted.items():
            if part not in names:
                raise MissingPart(operation, part, min(unused, default=""))
        if unused:
            raise UnusedPart(min(unused))

    def run(self, picture: Picture, limits: Limits, parts: Mapping[str, Data]) -> Picture:
        """The picture after every step, frame by frame.

        parts: further parts of the upload, by name.  Raises OperationDoesNotFit, NoFaceFound, ResultTooLarge,
        MissingPart, and the children of BadPicture for a broken part.
        """
        has_16_bits = is_deep(picture.frames[0])
        if has_16_bits:
            picture = replace(picture, frames=tuple(map(working if self.keeps_depth else shallow, picture.frames)))
        for step in self.steps:
            size = step.result_size(picture.size)
            limits.check_result(step.operation.name, size, len(picture.frames))
            part = step.read_part(parts, limits)
            before = picture.size
            frames, learned = step.operation.apply_and_learn(picture.frames, step.arguments, picture.source, part)
            picture = replace(picture, frames=frames, source=None)
            if picture.gain_map:
                sizes = before, picture.size
                gain_map = gain_map_after(picture.gain_map, step.operation, step.arguments, sizes, learned)
                picture = replace(picture, gain_map=gain_map)
        if picture.gain_map:
            picture = replace(picture, gain_map=finished_gain_map(picture.gain_map, picture.size))
        if any(step.operation.category == SHAPES for step in self.steps):
            picture = replace(picture, metadata=replace(picture.metadata, is_reshaped=True))
        return replace(picture, frames=tuple(map(finished, picture.frames))) if has_16_bits else picture


def parse_pipeline(text: str) -> Pipeline:
    """The pipeline of a text.  Raises UnknownOperation and the children of BadRequest."""
    if not text:
        return Pipeline()
    parts = text.split("/")
    if len(parts) > MAX_STEPS:
        raise BadPipeline(_shortened(text), f"it has {len(parts)} steps; the limit is {MAX_STEPS}")
    return Pipeline(tuple(_parse_step(part, text) for part in parts))


def make_step(name: str, values: Iterable[tuple[str, str]]) -> Step:
    """The step `name` with parameters as text.  Raises UnknownOperation and the children of BadRequest."""
    operation = _operation(name)
    given: dict[str, str] = {}
    for key, value in values:
        if key in given:
            raise RepeatedParameter(name, key)
        given[key] = value
    return Step(operation, validate(operation.parameters, given, owner=name))


def _operation(name: str) -> Operation:
    if name not in operations.OPERATIONS:
        advice = operation_advice(name, Output.model_fields)
        raise UnknownOperation(name, None if advice else closest(name, operations.OPERATIONS), advice)
    return operations.OPERATIONS[name]


def _parse_step(part: str, text: str) -> Step:
    name, _, listed = part.partition(":")
    if not name:
        raise BadPipeline(_shortened(text), "there is an empty step between two slashes")
    if name in Output.model_fields and name not in operations.OPERATIONS:
        raise MisplacedParameter("the pipeline", name, _beside_the_steps(name, listed))
    own = _operation(name).parameters.model_fields
    values = []
    for item in listed.split(",") if listed else ():
        key, equals, value = item.partition("=")
        if not equals or not key:
            reason = f"{item!r} in step {name!r} is not written as parameter=value"
            first = next(iter(own), None)
            hint = f", such as {name}:{first}={_shortened(item)}" if first and not equals else ""
            raise BadPipeline(_shortened(text), reason + hint)
        if key in Output.model_fields and key not in own:
            raise MisplacedParameter(f"the step {name}", key, _beside_the_steps(key, value))
        values.append((key, unquote(value)))
    return make_step(name, values)


def _beside_the_steps(parameter: str, value: str) -> str:
    """Says where a parameter of the output belongs in a query, in a batch and on the command line."""
    given, flag = f"{parameter}={_shortened(value) or '…'}", parameter.replace("_", "-")
    return f'behind the steps as &{given}, among `outputs` beside "ops", or for imgsrv convert as --{flag}'


def _print_value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.12g}"
    # Only the first colon of a step separates its name, so lists of numbers can stay readable.
    return quote(str(value), safe=":;")


def _shortened(text: str, most: int = 200) -> str:
    return text if len(text) <= most else f"{text[:most]}…"
