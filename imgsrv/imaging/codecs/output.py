"""Output: the parameters that decide how a result is encoded, and their checks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from imgsrv.errors import NoSuchFrame, TooManyFrames, UnusableParameters, joined
from imgsrv.imaging.codecs.placeholders import PLACEHOLDERS
from imgsrv.imaging.formats import FORMATS, KNOWN, KNOWN_SUFFIXES, WRITTEN
from imgsrv.imaging.formats.format import EFFORT_STEPS, Format
from imgsrv.imaging.model.parameter_types import WHITE, Broken, ColourParameter, Hdr, Icc, TargetParameter
from imgsrv.imaging.model.validation import translated

SAME = "same"
"""The value of `format` for that of the input, also where browsers do not show it."""

NAMES = ("auto", SAME, *(name for name, form in KNOWN.items() if form.is_written), *PLACEHOLDERS)
"""Values of `format`, also those of formats whose extra is not installed."""

if TYPE_CHECKING:
    FormatName = str
else:
    # The values come from the rows of the formats, so a type checker cannot know them.
    FormatName = Literal[NAMES]

OWNER = "output"
"""The name of these parameters in error messages."""


FORMAT_FIELDS = ("quality", "lossless", "effort", "progressive", "subsampling", "colours", "target", "icc", "hdr")
"""Parameters that some formats do not use."""

DEFAULT_QUALITIES = joined(
    [f"{form.default_quality} for {form.label}" for form in KNOWN.values() if "quality" in form.fields]
)
"""The qualities that formats have without `quality`, for people."""

NEEDS = {"target": "quality"}
"""Parameters that only have an effect if the format takes another parameter: that other one."""


def _by_suffix(name: object) -> object:
    """The format of a suffix such as `jpg` or `tif`, which many other tools accept; any other value unchanged."""
    return KNOWN_SUFFIXES.get(f".{name}", name) if isinstance(name, str) else name


@dataclass(frozen=True, slots=True)
class Settings:
    """What an encoder is told: the `EncoderSettings` of formats, with the quality that counts."""

    quality: int
    lossless: bool
    effort: int | None
    progressive: bool
    subsampling: str


class Output(BaseModel):
    """The output parameters, the same on every route and on the command line."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    format: Annotated[
        FormatName | None,
        BeforeValidator(_by_suffix),
        Field(
            description="Format of the result.  `auto` follows the Accept header; `same` is the format of the input; "
            "the last three give a line of text to show before the picture loads.  Default: the format of the input, "
            "but JPEG, PNG or GIF for one that not all browsers show."
        ),
    ] = None
    quality: Annotated[
        int | None,
        Field(
            ge=1,
            le=100,
            description="Quality of a lossy format; 100 is best.  Each format has a scale of its own; the "
            f"defaults look alike: {DEFAULT_QUALITIES}.",
        ),
    ] = None
    lossless: Annotated[bool, Field(description="Keep every pixel unchanged.")] = False
    effort: Annotated[
        int | None,
        Field(
            ge=0,
            le=EFFORT_STEPS,
            description="Time spent on a smaller file; 9 is most.  Default: 6 for WebP, 3 for one without "
            "loss, 2 for AVIF.  With 1 or more, a JPEG has optimised tables; small ones always have them.",
        ),
    ] = None
    progressive: Annotated[
        bool, Field(description="Progressive scans with optimised tables: a smaller file, slower to make.")
    ] = False
    subsampling: Annotated[
        Literal["4:2:0", "4:4:4"],
        Field(
            description="Resolution of colour in a JPEG or AVIF; 4:4:4 keeps red text and thin coloured lines sharp."
        ),
    ] = "4:2:0"
    colours: Annotated[
        int | None, Field(ge=2, le=256, description="Reduce a PNG or GIF to this number of colours: much smaller.")
    ] = None
    max_bytes: Annotated[
        int | None,
        Field(ge=100, description="Most bytes of the result; a lossy format lowers its quality until it fits."),
    ] = None
    target: Annotated[
        TargetParameter | None,
        Field(description="Structural similarity to reach with the lowest possible quality; replaces `quality`."),
    ] = None
    frame: Annotated[int | None, Field(ge=0, description="Use only this frame of an animation; the first is 0.")] = None
    page: Annotated[int | None, Field(ge=1, description="Use this page of a TIFF or a PDF; the first is 1.")] = None
    broken: Annotated[
        Broken,
        Field(
            description="What becomes of a picture that is cut off or damaged: `accept` uses the part that is there "
            "and says so, in an answer by the header `Image-Broken`."
        ),
    ] = "refuse"
    icc: Annotated[
        Icc,
        Field(
            description="Colour space of the result: `srgb` without a profile, `p3` (Display P3) with one, `keep` that "
            "of an RGB input with its profile.  Colours in parameters are in the same space."
        ),
    ] = "srgb"
    hdr: Annotated[
        Hdr,
        Field(
            description="What becomes of the gain map of an Ultra HDR JPEG: `keep` crops, scales and turns it with the "
            "picture and writes a JPEG with both."
        ),
    ] = "drop"
    background: Annotated[
        ColourParameter,
        Field(description="Colour behind transparent parts if the format of the result has no transparency."),
    ] = WHITE
    metadata: Annotated[
        Literal["strip", "copyright", "keep"],
        Field(
            description="Parts of EXIF and XMP that are kept, with `keep` also the resolution; orientation and profile "
            "are always applied and dropped."
        ),
    ] = "strip"

    if not TYPE_CHECKING:  # a type checker derives the parameters from the fields

        def __init__(self, **values: Any) -> None:
            """Raises UnknownParameter, InvalidParameter or UnusableParameters."""
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise translated(error, type(self), values, OWNER) from error

    @property
    def index(self) -> int | None:
        """The chosen frame or page, counted from 0; None for all."""
        return self.frame if self.page is None else self.page - 1

    def quality_in(self, form: Format) -> int:
        """The quality that was asked for, or the default of the format."""
        return form.default_quality if self.quality is None else self.quality

    def settings_for(self, form: Format) -> Settings:
        """What the encoder of the format is told."""
        return Settings(self.quality_in(form), self.lossless, self.effort, self.progressive, self.subsampling)

    @contextmanager
    def naming_its_frame(self) -> Iterator[None]:
        """A block in which an error that names a frame names the page that was asked for."""
        try:
            yield
        except (NoSuchFrame, TooManyFrames) as error:
            if self.page is not None and error.asked is not None:
                error.asked = f"page={self.page}"
            raise

    def check(self) -> Output:
        """The output itself.  Raises UnusableParameters for a given parameter that the named format does not use."""
        if self.frame is not None and self.page is not None:
            raise UnusableParameters(OWNER, "frame and page cannot both be given; leave one of them out")
        if self.target is not None and ("quality" in self.model_fields_set or self.lossless):
            raise UnusableParameters(OWNER, "target chooses the quality; leave quality and lossless out")
        if self.format in (None, "auto", SAME):
            return self
        if self.format in KNOWN and self.format not in WRITTEN and KNOWN[self.format].is_written:
            missing = KNOWN[self.format].extra_name
            raise UnusableParameters(OWNER, f"format={self.format} cannot be written here; {missing} adds it")
        fields = FORMATS[self.format].fields if self.format in FORMATS else ()
        for name in FORMAT_FIELDS:
            if name in self.model_fields_set and NEEDS.get(name, name) not in fields:
                users = [other for other, row in WRITTEN.items() if NEEDS.get(name, name) in row.fields]
                verb = "takes" if len(users) == 1 else "take"
                raise UnusableParameters(
                    OWNER,
                    f"format={self.format} has no use for {name}; {joined(users)} {verb} it; leave it out",
                )
        return self
