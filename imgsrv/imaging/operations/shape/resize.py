"""Resize and smartcrop: the operations that may decode a JPEG at a smaller scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

from pydantic import Field

from imgsrv.imaging.model.limits import Box, Size
from imgsrv.imaging.model.parameter_types import MAX_SIDE, TRANSPARENT, ColourParameter, Side
from imgsrv.imaging.model.picture import Frame, Source
from imgsrv.imaging.operations.registry import operation
from imgsrv.imaging.pixels.canvas import on_canvas
from imgsrv.imaging.pixels.placement import CropGravity, FocusX, FocusY, Point, check_focus, has_focus, place
from imgsrv.imaging.pixels.resample import Kernel, resample
from imgsrv.imaging.pixels.saliency import most_salient

Fit = Literal["inside", "outside", "cover", "contain", "fill"]

Width = Annotated[
    Side | None, Field(description="Width of the result in pixels; at most the picture's own unless `enlarge`.")
]
Height = Annotated[
    Side | None, Field(description="Height of the result in pixels; at most the picture's own unless `enlarge`.")
]
LeastWidth = Annotated[
    Side | None, Field(description="The scale is at least what gives this width, even where `inside` asks for less.")
]
LeastHeight = Annotated[Side | None, Field(description="The same for the height.")]
MostWidth = Annotated[
    Side | None,
    Field(
        description="The scale is at most what gives this width, even where `outside` asks for more; where the least "
        "sides contradict it, they count."
    ),
]
MostHeight = Annotated[Side | None, Field(description="The same for the height.")]
Density = Annotated[float, Field(ge=0.1, le=10, description="Device pixels for each pixel: multiplies all sides.")]


@dataclass(frozen=True, slots=True)
class _Wish:
    """The parameters of resize that say a size."""

    width: int | None
    height: int | None
    fit: Fit = "cover"
    enlarge: bool = False
    dpr: float = 1.0
    min_width: int | None = None
    min_height: int | None = None
    max_width: int | None = None
    max_height: int | None = None

    @classmethod
    def of(cls, arguments: Any) -> _Wish:
        return cls(*(getattr(arguments, field.name) for field in fields(cls)))

    @property
    def box(self) -> tuple[int | None, int | None]:
        """Width and height in device pixels."""
        return self._dense(self.width), self._dense(self.height)

    @property
    def canvas(self) -> Size | None:
        """The box of `cover` and `contain`, which give it exactly."""
        width, height = self.box
        return (width, height) if width and height and self.fit in ("cover", "contain") else None

    def scaled_size(self, before: Size) -> Size:
        """The size of the whole picture after scaling, before any cropping or padding."""
        own = math.inf if self.enlarge else 1.0
        wanted = self._factors(before, self.width, self.height, none=0.0)
        least = self._factors(before, self.min_width, self.min_height, none=0.0)
        most = self._factors(before, self.max_width, self.max_height, none=math.inf)
        if self.fit == "fill":
            sides = (
                have * min(max(min(factor or 1.0, upper), lower), own)
                for have, factor, lower, upper in zip(before, wanted, least, most, strict=True)
            )
            return _rounded(*sides)
        given = [factor for factor in wanted if factor] or [1.0]
        scale = max(given) if self.fit in ("cover", "outside") else min(given)
        scale = min(max(min(scale, *most), *least), own)
        return _rounded(before[0] * scale, before[1] * scale)

    def result_size(self, before: Size) -> Size:
        if self.canvas is None:
            return self.scaled_size(before)
        return self.canvas if self.fit == "contain" else _covered_size(self.scaled_size(before), self.canvas)

    def _factors(self, before: Size, width: int | None, height: int | None, *, none: float) -> tuple[float, float]:
        """What each side is multiplied by to become what is given; `none` where nothing is."""
        across, down = self._dense(width), self._dense(height)
        return across / before[0] if across else none, down / before[1] if down else none

    def _dense(self, side: int | None) -> int | None:
        return None if side is None else max(1, math.floor(side * self.dpr + 0.5))


def _rounded(width: float, height: float) -> Size:
    return max(1, math.floor(width + 0.5)), max(1, math.floor(height + 0.5))


def _covered_size(scaled: Size, wanted: Size) -> Size:
    """The wanted shape, smaller where the picture is too small for it."""
    shrink = min(1.0, scaled[0] / wanted[0], scaled[1] / wanted[1])
    return _rounded(wanted[0] * shrink, wanted[1] * shrink)


def _covering(before: Size, after: Size) -> tuple[float, float]:
    """The size of the largest part of the picture that has the shape of the result."""
    scale = min(before[0] / after[0], before[1] / after[1])
    return after[0] * scale, after[1] * scale


def _cover_box(before: Size, after: Size, point: Point) -> Box:
    width, height = _covering(before, after)
    return (before[0] - width) * point[0], (before[1] - height) * point[1], width, height


def _check(arguments: Any) -> None:
    sides = (arguments.width, arguments.height)
    bounds = (arguments.min_width, arguments.min_height, arguments.max_width, arguments.max_height)
    longest = max((side for side in sides + bounds if side is not None), default=0)
    if not longest:
        raise ValueError("width or height is needed, or max_width or max_height; give one of them or more")
    if arguments.fit != "cover" and (has_focus(arguments) or arguments.gravity == "smart"):
        raise ValueError(
            "focus_x, focus_y and gravity=smart choose what fit=cover keeps; no other fit cuts anything off"
        )
    check_focus(arguments)
    if any(bounds) and arguments.fit in ("cover", "contain"):
        raise ValueError(
            f"fit={arguments.fit} has no use for min_width, min_height, max_width and max_height; "
            "its width and height are exact"
        )
    if arguments.linear and arguments.kernel == "hamming":
        raise ValueError("kernel=hamming does not mix light; choose another kernel or leave linear out")
    if longest * arguments.dpr > MAX_SIDE:
        raise ValueError(f"{longest} pixels at dpr={arguments.dpr:g} is more than the {MAX_SIDE} a side may have")


def shown_part(before: Size, arguments: Any) -> tuple[Size, Box, Kernel] | None:
    """The size after a resize, the part of the picture that it shows and the kernel; None where it is more than that.

    arguments: of `resize`.
    """
    wish, source = _Wish.of(arguments), Source(before, (0.0, 0.0, float(before[0]), float(before[1])))
    if not _is_left_to_the_resizer(arguments) or (wish.canvas and wish.fit == "contain"):
        return None
    after = wish.result_size(before)
    box = _cover_box(before, after, _survey((), source, arguments)) if wish.canvas else source.box
    return after, box, arguments.kernel


def _keeps_depth(arguments: Any) -> bool:
    """What lays on a canvas does so in 8 bits, and so does whatever the resizer does not do alone."""
    return _is_left_to_the_resizer(arguments) and arguments.fit != "contain"


def _is_left_to_the_resizer(arguments: Any) -> bool:
    """No light is mixed, nothing is looked at, and the kernel is not the one that the resizer does not have."""
    return not arguments.linear and arguments.gravity != "smart" and arguments.kernel != "hamming"


def _survey(frames: Sequence[Frame], source: Source, arguments: Any) -> Point:
    """Where the part that `cover` keeps lies, or the picture on the canvas of `contain`."""
    wish = _Wish.of(arguments)
    return place(frames, source, _covering(source.size, wish.result_size(source.size)), arguments)


@operation(
    size=lambda before, arguments: _Wish.of(arguments).result_size(before),
    check=_check,
    is_reduction=True,
    # A JPEG's smaller scales mix levels: 32 dB against linear light, and small lights grow dim.
    needs_every_pixel=lambda arguments: arguments.linear,
    survey=_survey,
    keeps_depth=_keeps_depth,
)
def resize(
    frame: Frame,
    source: Source,
    point: Point,
    *,
    width: Width = None,
    height: Height = None,
    fit: Annotated[
        Fit,
        Field(
            description="With both sides given: `inside` them, `outside` them, `cover` them and crop, "
            "be `contain`ed in them with bars, or `fill` them and distort."
        ),
    ] = "inside",
    gravity: Annotated[
        CropGravity,
        Field(description="Which part stays (cover), `smart` for what attracts most, or where it sits (contain)."),
    ] = "center",
    kernel: Annotated[Kernel, Field(description="Resampling kernel.")] = "lanczos",
    enlarge: Annotated[bool, Field(description="Also make a picture larger than it is.")] = False,
    background: Annotated[ColourParameter, Field(description="Colour of the bars of `contain`.")] = TRANSPARENT,
    focus_x: FocusX = None,
    focus_y: FocusY = None,
    dpr: Density = 1.0,
    min_width: LeastWidth = None,
    min_height: LeastHeight = None,
    max_width: MostWidth = None,
    max_height: MostHeight = None,
    linear: Annotated[bool, Field(description="Mix light rather than levels: small lights stay bright.")] = False,
) -> Frame:
    """Change the size; one side alone keeps the proportions.

    A picture is never enlarged unless `enlarge` is true: `inside`, `outside` and `fill` stop at its own size,
    `cover` keeps the wanted shape at the largest size the picture has, `contain` keeps the canvas and centres it.
    """
    wish = _Wish(width, height, fit, enlarge, dpr, min_width, min_height, max_width, max_height)
    after = wish.result_size(source.size)
    if wish.canvas and fit == "cover":
        box = source.part(_cover_box(source.size, after, point))
        return resample(frame, after, box=box, kernel=kernel, linear=linear)
    scaled = resample(frame, wish.scaled_size(source.size), box=source.box, kernel=kernel, linear=linear)
    return on_canvas(scaled, after, point, background) if wish.canvas else scaled


def _smartcrop_size(before: Size, arguments: Any) -> Size:
    return _Wish(arguments.width, arguments.height, enlarge=arguments.enlarge).result_size(before)


def _survey_smartcrop(frames: Sequence[Frame], source: Source, arguments: Any) -> Point:
    return most_salient(frames, source, _covering(source.size, _smartcrop_size(source.size, arguments)))


@operation(size=_smartcrop_size, is_reduction=True, survey=_survey_smartcrop)
def smartcrop(
    frame: Frame,
    source: Source,
    point: Point,
    *,
    width: Annotated[Side, Field(description="Width of the result in pixels.")],
    height: Annotated[Side, Field(description="Height of the result in pixels.")],
    enlarge: Annotated[bool, Field(description="Also make a picture larger than it is.")] = False,
) -> Frame:
    """Scale and crop to the part that attracts most: edges, skin, strong colours and contrast.

    The same as `resize` with `fit=cover,gravity=smart`.  No faces are looked for.  All frames of an animation are
    cut alike.
    """
    after = _Wish(width, height, enlarge=enlarge).result_size(source.size)
    return resample(frame, after, box=source.part(_cover_box(source.size, after, point)))
