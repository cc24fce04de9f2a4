"""Resize and smartcrop, the operations that can work on a JPEG decoded at a smaller scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypedDict, Unpack

from pydantic import Field

from imgsrv.imaging.model.limits import Box, Size
from imgsrv.imaging.model.parameter_types import MAX_SIDE, TRANSPARENT, Colour, ColourParameter, Side
from imgsrv.imaging.model.picture import Frame, Source
from imgsrv.imaging.operations.registry import always, from_arguments, operation, pixels
from imgsrv.imaging.pixels.canvas import on_canvas
from imgsrv.imaging.pixels.placement import (
    LOOKING,
    CropGravity,
    FocusX,
    FocusY,
    Position,
    check_focus,
    has_focus,
    position_of_faces,
    position_of_part,
)
from imgsrv.imaging.pixels.resample import Kernel, resample
from imgsrv.imaging.pixels.saliency import most_salient
from imgsrv.imaging.pixels.scaling import Fit, Target, cover_box, covering

Width = Annotated[
    Side | None, Field(description="Width of the result in pixels; at most the picture's own unless `enlarge`.")
]
Height = Annotated[
    Side | None, Field(description="Height of the result in pixels; at most the picture's own unless `enlarge`.")
]
LeastWidth = Annotated[
    Side | None, Field(description="Lower bound of the scaled width, even where `inside` asks for less.")
]
LeastHeight = Annotated[Side | None, Field(description="Lower bound of the scaled height.")]
MostWidth = Annotated[
    Side | None,
    Field(
        description="Upper bound of the scaled width, even where `outside` asks for more; a lower bound that "
        "contradicts it wins."
    ),
]
MostHeight = Annotated[Side | None, Field(description="Upper bound of the scaled height.")]
Enlarge = Annotated[
    bool,
    Field(description="Also make a picture larger than it is.  A drawing (SVG) becomes as large as asked without it."),
]
Density = Annotated[float, Field(ge=0.1, le=10, description="Device pixel ratio: multiplies all sides.")]


SECOND_PASS, LINEAR, HAMMING = 3, 5, 2.5
"""Work of a pixel of the result, in pixels of the source; how many times as long linear light and hamming take."""


FACES = 20_000_000
"""Work of looking for faces, which takes the same time in every picture: 14 ms."""


class _Sides(TypedDict):
    """The parameters of resize that decide the size."""

    width: int | None
    height: int | None
    fit: Fit
    enlarge: bool
    dpr: float
    min_width: int | None
    min_height: int | None
    max_width: int | None
    max_height: int | None


def _scaled_size(before: Size, **sides: Unpack[_Sides]) -> Size:
    return Target(**sides).scaled_size(before)


def _result_size(before: Size, **sides: Unpack[_Sides]) -> Size:
    return Target(**sides).result_size(before)


def _check(
    *,
    gravity: CropGravity,
    focus_x: float | None,
    focus_y: float | None,
    kernel: Kernel,
    linear: bool,
    **sides: Unpack[_Sides],
) -> None:
    fit, dpr = sides["fit"], sides["dpr"]
    bounds = (sides["min_width"], sides["min_height"], sides["max_width"], sides["max_height"])
    longest = max((side for side in (sides["width"], sides["height"], *bounds) if side is not None), default=0)
    if not longest:
        raise ValueError("width or height is needed, or max_width or max_height; give one of them or more")
    if fit != "cover" and (has_focus(focus_x, focus_y) or gravity in LOOKING):
        raise ValueError(
            "focus_x, focus_y and gravity=smart or face choose what fit=cover keeps; no other fit cuts anything off"
        )
    check_focus(gravity, focus_x, focus_y)
    if any(bounds) and fit in ("cover", "contain"):
        raise ValueError(
            f"fit={fit} has no use for min_width, min_height, max_width and max_height; its width and height are exact"
        )
    if linear and kernel == "hamming":
        raise ValueError("kernel=hamming does not mix light; choose another kernel or leave linear out")
    if longest * dpr > MAX_SIDE:
        raise ValueError(f"{longest} pixels at dpr={dpr:g} is more than the {MAX_SIDE} a side may have")


def _survey(
    frames: Sequence[Frame],
    source: Source,
    *,
    gravity: CropGravity,
    focus_x: float | None,
    focus_y: float | None,
    **sides: Unpack[_Sides],
) -> Position:
    """The position of the part that `cover` keeps, or of the picture on the canvas of `contain`."""
    part = covering(source.size, Target(**sides).result_size(source.size))
    return position_of_part(frames, source, part, gravity=gravity, focus_x=focus_x, focus_y=focus_y)


def _only_resamples(*, linear: bool, gravity: CropGravity, kernel: Kernel) -> bool:
    """True if the resizer library does all of it: no linear light, no saliency, and a kernel that it has."""
    return not linear and gravity not in LOOKING and kernel != "hamming"


def _needs_every_pixel(*, linear: bool) -> bool:
    # A JPEG's smaller scales mix levels: 32 dB against linear light, and small lights grow dim.
    return linear


def _shown_part(
    before: Size,
    *,
    gravity: CropGravity,
    focus_x: float | None,
    focus_y: float | None,
    kernel: Kernel,
    linear: bool,
    **sides: Unpack[_Sides],
) -> tuple[Size, Box, Kernel] | None:
    target, source = Target(**sides), Source(before, (0.0, 0.0, float(before[0]), float(before[1])))
    if not _only_resamples(linear=linear, gravity=gravity, kernel=kernel):
        return None
    if target.canvas is None:
        return target.result_size(before), source.box, kernel
    if target.fit == "contain":
        return None
    after = target.result_size(before)
    position = _survey((), source, gravity=gravity, focus_x=focus_x, focus_y=focus_y, **sides)
    return after, cover_box(before, after, position), kernel


shown_part = from_arguments(_shown_part)
"""From a size and the arguments of a resize: the size after it, the part of the picture that it shows, and the kernel.

None where a resize does more than resample one part of the picture.
"""


def _resize_work(
    before: Size, after: Size, *, kernel: Kernel, linear: bool, gravity: CropGravity, **sides: Unpack[_Sides]
) -> float:
    """Both passes of the kernel; lanczos has the most weights."""
    scaled = Target(**sides).scaled_size(before)
    passes = pixels(before) + SECOND_PASS * pixels(scaled) + pixels(after)
    slower = LINEAR if linear else HAMMING if kernel == "hamming" else 1
    return slower * passes + (pixels(before) if gravity in LOOKING else 0) + (FACES if gravity == "face" else 0)


def _resize_adds_alpha(*, fit: Fit, background: Colour) -> bool:
    return fit == "contain" and not background.is_opaque


@operation(
    size=_result_size,
    scaled=_scaled_size,
    check=_check,
    is_reduction=True,
    needs_every_pixel=_needs_every_pixel,
    survey=_survey,
    keeps_depth=always,
    work=_resize_work,
    adds_alpha=_resize_adds_alpha,
)
def resize(
    frame: Frame,
    source: Source,
    position: Position,
    *,
    width: Width = None,
    height: Height = None,
    fit: Annotated[
        Fit,
        Field(
            description="What to do with both sides: fit `inside` or `outside` of them, `cover` them and crop, "
            "`contain` the picture in them with bars, or `fill` them and distort."
        ),
    ] = "inside",
    gravity: Annotated[
        CropGravity,
        Field(
            description="Which part `cover` keeps, `smart` for the most salient, `face` for that with the faces, or "
            "where `contain` puts the picture."
        ),
    ] = "center",
    kernel: Annotated[Kernel, Field(description="Resampling kernel.")] = "lanczos",
    enlarge: Enlarge = False,
    background: Annotated[ColourParameter, Field(description="Colour of the bars of `contain`.")] = TRANSPARENT,
    focus_x: FocusX = None,
    focus_y: FocusY = None,
    dpr: Density = 1.0,
    min_width: LeastWidth = None,
    min_height: LeastHeight = None,
    max_width: MostWidth = None,
    max_height: MostHeight = None,
    linear: Annotated[bool, Field(description="Resample in linear light, so that small lights stay bright.")] = False,
) -> Frame:
    """Change the size; with one side given, the other one follows in proportion.

    A picture is never enlarged unless `enlarge` is true: `inside`, `outside` and `fill` stop at its own size, `cover`
    keeps the wanted aspect ratio at the largest size that the picture has, and `contain` keeps the size of the canvas.
    A drawing has no pixels of its own: it is drawn at the size that is asked for.
    """
    target = Target(width, height, fit, enlarge, dpr, min_width, min_height, max_width, max_height)
    after = target.result_size(source.size)
    if target.canvas and fit == "cover":
        box = source.part(cover_box(source.size, after, position))
        return resample(frame, after, box=box, kernel=kernel, linear=linear)
    scaled = resample(frame, target.scaled_size(source.size), box=source.box, kernel=kernel, linear=linear)
    return on_canvas(scaled, after, position, background) if target.canvas else scaled


def _smartcrop_size(before: Size, *, width: int, height: int, enlarge: bool) -> Size:
    return Target(width, height, enlarge=enlarge).result_size(before)


def _smartcrop_scaled_size(before: Size, *, width: int, height: int, enlarge: bool) -> Size:
    return Target(width, height, enlarge=enlarge).scaled_size(before)


def _survey_smartcrop(
    frames: Sequence[Frame], source: Source, *, width: int, height: int, enlarge: bool, faces: bool
) -> Position:
    after = _smartcrop_size(source.size, width=width, height=height, enlarge=enlarge)
    find = position_of_faces if faces else most_salient
    return find(frames, source, covering(source.size, after))


def _smartcrop_work(before: Size, after: Size, *, faces: bool) -> float:
    return 2 * pixels(before) + SECOND_PASS * pixels(after) + (FACES if faces else 0)


@operation(
    size=_smartcrop_size,
    scaled=_smartcrop_scaled_size,
    is_reduction=True,
    survey=_survey_smartcrop,
    keeps_depth=always,
    work=_smartcrop_work,
)
def smartcrop(
    frame: Frame,
    source: Source,
    position: Position,
    *,
    width: Annotated[Side, Field(description="Width of the result in pixels.")],
    height: Annotated[Side, Field(description="Height of the result in pixels.")],
    enlarge: Enlarge = False,
    faces: Annotated[bool, Field(description="Look for faces first, and keep them in the middle.")] = False,
) -> Frame:
    """Scale, and crop to the most salient part: edges, skin, strong colours and contrast.

    It is the same as `resize` with `fit=cover,gravity=smart`, or `gravity=face` with `faces=true`; without a face both
    take the most salient part.  All frames of an animation are cropped alike.
    """
    after = Target(width, height, enlarge=enlarge).result_size(source.size)
    return resample(frame, after, box=source.part(cover_box(source.size, after, position)))
