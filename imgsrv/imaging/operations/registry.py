"""The registry: `@operation` makes one annotated function a route, a pipeline step, a schema and a page.

The function takes the frame first.  Its parameters are keyword-only and annotated with type, bounds and description;
they are validated before the function is called.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any, TypeVar, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model, model_validator

from imgsrv.imaging.model.limits import Data, Limits, Size
from imgsrv.imaging.model.picture import Frame, Source

Arguments = BaseModel
"""The validated parameters of one step: an instance of the model that the decorator makes for the operation."""

ReadPart = Callable[[Data, Limits], Any]
"""Turns the bytes of a further part of the upload into what the operation works with."""

Survey = Callable[[Sequence[Frame], Source, Arguments], Any]
"""Learns from all frames what an operation has to know before it changes the first one."""

Result = TypeVar("Result")


MODELS_LOCK = threading.Lock()
"""Held while a model of parameters is made, so that there is one of each."""


@dataclass(frozen=True)
class Operation:
    """One operation: its function, the model of its parameters, and how it changes the size of a picture.

    category: what it changes, in words; the CATEGORY of its folder.
    depth: when it works on 16 bits a channel, in words: `always`, `never`, or a condition.
    """

    name: str
    category: str
    summary: str
    details: str
    run: Callable[..., Frame]
    check: Callable[..., None] | None
    result_size: Callable[[Any, Arguments], Size]
    scaled_size: Callable[[Any, Arguments], Size] | None
    is_reduction: bool
    needs_every_pixel: Callable[[Arguments], bool]
    keeps_depth: Callable[[Arguments], bool]
    depth: str
    read_part: ReadPart | None
    survey: Survey | None
    work: Callable[[Size, Size, Arguments], float]
    adds_alpha: Callable[[Arguments], bool]
    is_scale_free: Callable[[Arguments], bool]
    keeps_gain: bool
    weighed_with: str

    @cached_property
    def parameters(self) -> type[Arguments]:
        """The model of its parameters, made on first use: all of them take a quarter of the time of an import."""
        with MODELS_LOCK:
            # Another thread may have made it while this one waited.
            made = vars(self).get("parameters") or _parameters_model(self.run, self.check)
            vars(self)["parameters"] = made
            return made

    def part_of(self, arguments: Arguments) -> str | None:
        """The name of the further part of the upload; None where the operation needs none."""
        return getattr(arguments, "part") if self.read_part else None  # noqa: B009  a model made at run time

    def apply(
        self, frames: Sequence[Frame], arguments: Arguments, source: Source | None, part: Any = None
    ) -> tuple[Frame, ...]:
        """The frames after the operation.

        source: the part of each frame that shows the picture; None if that is the whole frame.
        part: the result of `read_part`.
        """
        return self.apply_and_learn(frames, arguments, source, part)[0]

    def apply_and_learn(
        self, frames: Sequence[Frame], arguments: Arguments, source: Source | None, part: Any = None
    ) -> tuple[tuple[Frame, ...], Any]:
        """The frames after the operation, and what `survey` has learned; None where the operation has none."""
        shown = source or Source.of(frames[0])
        learned = self.survey(frames, shown, arguments) if self.survey else None
        return self.apply_alike(frames, arguments, shown, part, learned), learned

    def apply_alike(
        self, frames: Sequence[Frame], arguments: Arguments, source: Source, part: Any, learned: Any
    ) -> tuple[Frame, ...]:
        """The frames after the operation.  learned: what `survey` has learned, maybe from other frames."""
        # The instance's own dictionary: access through pydantic takes a third of a small crop's time.
        given = dict(vars(arguments))
        known: list[Any] = []
        if self.read_part:
            # The name of the part is not needed any more.
            del given["part"]
            known.append(part)
        if self.is_reduction:
            known.append(source)
        if self.survey:
            known.append(learned)
        return tuple(self.run(frame, *known, **given) for frame in frames)


OPERATIONS: dict[str, Operation] = {}


def operation(
    *,
    size: Callable[..., Size] | None = None,
    scaled: Callable[..., Size] | None = None,
    check: Callable[..., None] | None = None,
    is_reduction: bool = False,
    needs_every_pixel: Callable[..., bool] | None = None,
    keeps_depth: Callable[..., bool] | None = None,
    part: ReadPart | None = None,
    survey: Callable[..., Any] | None = None,
    work: Callable[..., float] | None = None,
    adds_alpha: Callable[..., bool] | None = None,
    is_scale_free: Callable[..., bool] | None = None,
    keeps_gain: bool = False,
    weighed_with: str = "",
) -> Callable[[Callable[..., Frame]], Callable[..., Frame]]:
    """Register a function as an operation under its own name.

    `size`, `scaled`, `check`, `needs_every_pixel`, `keeps_depth`, `survey`, `work`, `adds_alpha` and `is_scale_free`
    take as keywords those parameters of the operation that they declare.  Raises TypeError where one declares a
    parameter, or a type, that the operation does not have.

    size: gives the size of the result from the size before; may raise OperationDoesNotFit.  Where only the pixels
        can tell, it gives the largest possible width and height; the limits are checked against them.
    scaled: gives the size to which the whole picture is scaled before a part is cut off or bars are added.  The first
        such operation gives the size at which a drawing is drawn.  It has a parameter `enlarge`.
    check: raises ValueError where parameters contradict each other.
    is_reduction: the function also takes a Source.  As the first step it can then work on a JPEG that was decoded
        at a smaller scale which still covers `size`.
    needs_every_pixel: true where a JPEG must be decoded at full scale, even for a reduction.
    keeps_depth: true where the operation also works on 16 bits: it uses nothing of a frame but what WorkingFrame has,
        and the helpers of `imgsrv/imaging/pixels`.  Its docstring says when, for the catalogue.
    survey: looks at all frames, (frames, source), and gives what the function takes as its next argument, so that
        every frame of an animation is changed alike.
    part: the operation works with a further part of the upload, named by its parameter `part`.  This function reads
        the bytes, may raise children of BadPicture, and its result is the function's next argument.
    work: gives the work of one frame in pixels from the sizes before and after; a pixel takes the time that
        weights.json has for the operation.  Without it, the work is the pixels of the larger of the two sizes.
    adds_alpha: true where the result has alpha although the frame has none.
    is_scale_free: true where it does the same to a picture at any scale, so that a drawing may be drawn larger before
        it.  Without it, IS_SCALE_FREE of the folder decides, or else it counts in pixels.
    keeps_gain: true for an operation that changes no places and leaves the tones of areas as they are, so that a gain
        map still fits.  Those that change places do the same to a gain map.
    weighed_with: the parameters for which weights.json is measured, as in a pipeline; without them, those of the
        example in the catalogue.
    """

    def register(function: Callable[..., Frame]) -> Callable[..., Frame]:
        name = function.__name__
        summary, _, details = inspect.cleandoc(function.__doc__ or "").partition("\n")
        given = (size, scaled, check, needs_every_pixel, keeps_depth, survey, work, adds_alpha, is_scale_free)
        helpers = [helper for helper in given if helper is not None]
        folder = import_module(function.__module__.rpartition(".")[0])
        free_by_default = always if getattr(folder, "IS_SCALE_FREE", False) else _never
        known = keywords_of(function) if helpers else {}
        for helper in helpers:
            _check_keywords(helper, known, function.__qualname__)
        OPERATIONS[name] = Operation(
            name=name,
            category=str(folder.CATEGORY),
            summary=summary,
            details=details.strip(),
            run=function,
            check=check,
            result_size=from_arguments(size) if size else _same_size,
            scaled_size=from_arguments(scaled) if scaled else None,
            is_reduction=is_reduction,
            needs_every_pixel=from_arguments(needs_every_pixel or _never),
            keeps_depth=from_arguments(keeps_depth or _never),
            depth=_when(keeps_depth or _never),
            read_part=part,
            survey=from_arguments(survey) if survey else None,
            work=from_arguments(work or _larger),
            adds_alpha=from_arguments(adds_alpha or _never),
            is_scale_free=from_arguments(is_scale_free or free_by_default),
            keeps_gain=keeps_gain,
            weighed_with=weighed_with,
        )
        return function

    return register


def from_arguments(function: Callable[..., Result]) -> Callable[..., Result]:
    """The function, taking the validated arguments of a step as its last argument in place of its keywords."""
    names = tuple(keywords_of(function))
    if not names:
        return lambda *values: function(*values[:-1])

    def called(*values: Any) -> Result:
        given = vars(values[-1])
        return function(*values[:-1], **{name: given[name] for name in names})

    return called


def keywords_of(function: Callable[..., Any]) -> Mapping[str, Any]:
    """Names and types of a function's keywords, those of `**name: Unpack[a TypedDict]` included."""
    hints = get_type_hints(function)
    found: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            found[parameter.name] = hints[parameter.name]
        elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
            found |= get_type_hints(get_args(hints[parameter.name])[0])
    return found


def _check_keywords(helper: Callable[..., Any], known: Mapping[str, Any], operation_name: str) -> None:
    for name, kind in keywords_of(helper).items():
        if known.get(name) != kind:
            raise TypeError(f"{helper.__qualname__} takes {name}: {kind}; {operation_name} has {known.get(name)}")


def _same_size(before: Size, _arguments: Arguments) -> Size:
    return before


def pixels(size: Size) -> int:
    """Width × height."""
    return size[0] * size[1]


def _larger(before: Size, after: Size) -> float:
    return max(pixels(before), pixels(after))


def always() -> bool:
    """True with any arguments."""
    return True


def _never() -> bool:
    return False


def _when(condition: Callable[..., bool]) -> str:
    """`always`, `never`, or the first line of its docstring.  Raises TypeError where it has none."""
    if condition in (always, _never):
        return "always" if condition is always else "never"
    words = (condition.__doc__ or "").partition("\n")[0].rstrip(".")
    if not words:
        raise TypeError(f"{condition.__qualname__} has no docstring that says when the operation keeps 16 bits")
    return words[0].lower() + words[1:]


def _parameters_model(function: Callable[..., Frame], check: Callable[..., None] | None) -> type[Arguments]:
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {
        parameter.name: (
            hints[parameter.name],
            ... if parameter.default is inspect.Parameter.empty else parameter.default,
        )
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    check_given = from_arguments(check) if check else None

    def check_together(arguments: Arguments) -> Arguments:
        if check_given is not None:
            check_given(arguments)
        return arguments

    return create_model(
        function.__name__,
        __config__=ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False),
        __validators__={"check_together": model_validator(mode="after")(check_together)},  # type: ignore[dict-item]  # pydantic types this as classmethod-like only
        **fields,
    )
