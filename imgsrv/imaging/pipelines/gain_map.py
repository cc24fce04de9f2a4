"""A gain map beside its picture through a pipeline: what a step does to the places of pixels, it does to both.

A gain map has fewer pixels than its picture.  A step that scales takes it as it is, as it takes a JPEG that was decoded
at a smaller scale, and a step that only turns or mirrors turns or mirrors it.  For any other step it is brought to the
size of the picture.  At the end it gets the share of the picture's size that it came with.
"""

from __future__ import annotations

from collections.abc import Iterable

from PIL import Image

from imgsrv.errors import UnusableParameters
from imgsrv.imaging.codecs.output import OWNER
from imgsrv.imaging.model.gain_map import GainMap
from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.parameter_types import Colour
from imgsrv.imaging.model.picture import Frame, Source
from imgsrv.imaging.operations.registry import Arguments, Operation
from imgsrv.imaging.operations.shape import CATEGORY as SHAPES
from imgsrv.imaging.pixels.composite import flatten
from imgsrv.imaging.pixels.resample import resample

FILLINGS = ("background", "colour")
"""Parameters of steps that name the colour of what they add."""


def check_steps(operations: Iterable[Operation]) -> None:
    """Raise UnusableParameters for a step behind which a gain map would no longer fit to the picture."""
    for operation in operations:
        if operation.category != SHAPES and not operation.keeps_gain:
            reason = (
                f"hdr=keep does not go with the step {operation.name}, which changes colours or covers them: "
                "the gain map would no longer fit; leave one of them out"
            )
            raise UnusableParameters(OWNER, reason)


def gain_map_after(
    gain_map: GainMap, operation: Operation, arguments: Arguments, sizes: tuple[Size, Size], learned: object
) -> GainMap:
    """The gain map after a step.

    sizes: of the picture, before and after.  learned: what the survey of the operation has learned from the picture.
    """
    before, after = sizes
    if operation.category != SHAPES:
        return gain_map
    frame, neutral = gain_map.frame, gain_map.terms.neutral
    is_turned = operation.is_scale_free(arguments) and operation.survey is None and sorted(before) == sorted(after)
    if not (operation.is_reduction or is_turned):
        frame = resample(frame, before, kernel="bilinear")
    whole = (0.0, 0.0, float(frame.width), float(frame.height))
    arguments = _of_gain_map(operation, arguments, neutral)
    done = operation.apply_alike((frame,), arguments, Source(before, whole), None, learned)
    return gain_map.showing(_like(frame, done[0], neutral))


def finished_gain_map(gain_map: GainMap, size: Size) -> GainMap:
    """The gain map of a picture of that size after all steps, at its share of it."""
    width, height = (max(1, round(side * share)) for side, share in zip(size, gain_map.share, strict=True))
    return gain_map.showing(resample(gain_map.frame, (min(width, size[0]), min(height, size[1]))))


def _of_gain_map(operation: Operation, arguments: Arguments, neutral: Colour) -> Arguments:
    """The arguments, with the level of no gain as the colour of whatever is added, and without linear light."""
    known = operation.parameters.model_fields
    changed: dict[str, object] = {name: neutral for name in FILLINGS if name in known}
    if "linear" in known:
        changed["linear"] = False
    return arguments.model_copy(update=changed) if changed else arguments


def _like(before: Frame, done: Frame, neutral: Colour) -> Image.Image:
    """The frame in the mode of the one before, without transparency."""
    if done.mode == before.mode:
        return done
    return flatten(done.convert("RGBA"), neutral).convert(before.mode)
