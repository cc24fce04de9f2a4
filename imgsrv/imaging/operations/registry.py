"""The registry: `@operation` makes one annotated function a route, a pipeline step, a schema and a page.

The function takes the frame; its parameters are keyword-only, annotated with type, bounds and description,
and are validated before it is called.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model, model_validator

from imgsrv.imaging.model.limits import Data, Limits, Size
from imgsrv.imaging.model.picture import Frame, Source

Arguments = BaseModel
"""The validated parameters of one step; a model of the operation's own, made by the decorator."""


ReadPart = Callable[[Data, Limits], Any]
"""Makes of the bytes of a further part of the upload what an operation works with."""


Survey = Callable[[Sequence[Frame], Source, Any], Any]
"""What an operation has to know of all frames before it changes the first, from frames, source and arguments."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: its function, the model of its parameters, and how it changes the size of a picture.

    category: what it changes, in words; the CATEGORY of the folder that it stands in.
    """

    name: str
    category: str
    summary: str
    details: str
    run: Callable[..., Frame]
    parameters: type[Arguments]
    result_size: Callable[[Size, Any], Size]
    is_reduction: bool
    needs_every_pixel: Callable[[Any], bool]
    keeps_depth: Callable[[Any], bool]
    read_part: ReadPart | None
    survey: Survey | None

    def part_of(self, arguments: Arguments) -> str | None:
        """The name of the further part of the upload that it works with."""
        return getattr(arguments, "part") if self.read_part else None  # noqa: B009  a model made at run time

    def apply(
        self, frames: Sequence[Frame], arguments: Arguments, source: Source | None, part: Any = None
    ) -> tuple[Frame, ...]:
        """The frames after the operation.

        source: what each frame shows, if that is not itself.  part: what `read_part` made of the further part.
        """
        # Reading fields where pydantic keeps them takes a third of a small crop's time otherwise.
        given = dict(vars(arguments))
        shown = source or Source.of(frames[0])
        known: list[Any] = []
        if self.read_part:
            # Its name has done its service by now.
            del given["part"]
            known.append(part)
        if self.is_reduction:
            known.append(shown)
        if self.survey:
            known.append(self.survey(frames, shown, arguments))
        return tuple(self.run(frame, *known, **given) for frame in frames)


OPERATIONS: dict[str, Operation] = {}


def operation(
    *,
    size: Callable[[Size, Any], Size] = lambda before, _arguments: before,
    check: Callable[[Any], None] | None = None,
    is_reduction: bool = False,
    needs_every_pixel: Callable[[Any], bool] = lambda _arguments: False,
    keeps_depth: Callable[[Any], bool] = lambda _arguments: False,
    part: ReadPart | None = None,
    survey: Survey | None = None,
) -> Callable[[Callable[..., Frame]], Callable[..., Frame]]:
    """Register a function as an operation under its own name.

    size: the size of the result from the size before and the arguments; may raise OperationDoesNotFit.  Where only
        the pixels can tell, it is the most that the result can have on each side; limits are checked against it.
    check: raises ValueError where arguments that are each right do not go together.
    is_reduction: the function also takes a Source, so that as first step it can work on a JPEG that was
        decoded at a smaller scale, as long as that still covers `size`.
    needs_every_pixel: with these arguments a JPEG must not be decoded at a smaller scale, even for a reduction.
    keeps_depth: with these arguments it works on 16 bits as on 8: it asks of a frame no more than a DeepFrame has.
    survey: looks at all frames at once and gives what the function takes as next argument, so that every frame of
        an animation is changed alike.
    part: the operation works with a further part of the upload, whose name is its parameter `part`; the function
        takes what this makes of it.  It may raise BadPicture's children.
    """

    def register(function: Callable[..., Frame]) -> Callable[..., Frame]:
        name = function.__name__
        summary, _, details = inspect.cleandoc(function.__doc__ or "").partition("\n")
        OPERATIONS[name] = Operation(
            name=name,
            category=_category_of(function.__module__),
            summary=summary,
            details=details.strip(),
            run=function,
            parameters=_parameters_model(function, check),
            result_size=size,
            is_reduction=is_reduction,
            needs_every_pixel=needs_every_pixel,
            keeps_depth=keeps_depth,
            read_part=part,
            survey=survey,
        )
        return function

    return register


def _category_of(module: str) -> str:
    folder = import_module(module.rpartition(".")[0])
    return str(folder.CATEGORY)


def _parameters_model(function: Callable[..., Frame], check: Callable[[Any], None] | None) -> type[Arguments]:
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {
        parameter.name: (
            hints[parameter.name],
            ... if parameter.default is inspect.Parameter.empty else parameter.default,
        )
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }

    def check_together(arguments: Arguments) -> Arguments:
        if check is not None:
            check(arguments)
        return arguments

    return create_model(
        function.__name__,
        __config__=ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False),
        __validators__={"check_together": model_validator(mode="after")(check_together)},  # type: ignore[dict-item]  # pydantic types this as classmethod-like only
        **fields,
    )
