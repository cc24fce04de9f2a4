"""Output: how the result is encoded, and which format that is in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from imgsrv.errors import UnusableParameters, joined
from imgsrv.imaging.codecs.placeholders import PLACEHOLDERS
from imgsrv.imaging.formats import FORMATS, KNOWN, KNOWN_SUFFIXES, WRITTEN
from imgsrv.imaging.formats.format import EFFORT_STEPS
from imgsrv.imaging.model.parameter_types import WHITE, ColourParameter, Icc, TargetParameter
from imgsrv.imaging.pipelines.validation import translated

NAMES = ("auto", *(name for name, form in KNOWN.items() if form.is_written), *PLACEHOLDERS)
"""Values of `format`, also those of formats whose extra is not installed."""

if TYPE_CHECKING:
    FormatName = str
else:
    # The rows of the formats name the values, which a type checker cannot read.
    FormatName = Literal[NAMES]

OWNER = "output"
"""What an error calls the one who takes these parameters."""


FORMAT_FIELDS = ("quality", "lossless", "effort", "progressive", "subsampling", "colours", "target", "icc")
"""Parameters that some formats have no use for."""

NEEDS = {"target": "quality"}
"""What a format must take for another parameter to have a use."""


def _by_suffix(name: object) -> object:
    """A format named by the ending of its files, as many other tools do: `jpg`, `tif`."""
    return KNOWN_SUFFIXES.get(f".{name}", name) if isinstance(name, str) else name


class Output(BaseModel):
    """The output parameters, the same on every route and on the command line."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    format: Annotated[
        FormatName | None,
        BeforeValidator(_by_suffix),
        Field(
            description="Format of the result; `auto` follows the Accept header; the last three give a line of text to "
            "show before the picture.  Default: that of the input, PNG for a drawing."
        ),
    ] = None
    quality: Annotated[int, Field(ge=1, le=100, description="Quality of a lossy format, 100 is best.")] = 80
    lossless: Annotated[bool, Field(description="Keep every pixel as it is.")] = False
    effort: Annotated[
        int | None,
        Field(
            ge=0,
            le=EFFORT_STEPS,
            description="Time spent to make the file smaller, 9 is most.  Default: of WebP 3, of AVIF 2.  From 1 on a "
            "JPEG has optimised tables, which small ones have anyway.",
        ),
    ] = None
    progressive: Annotated[
        bool, Field(description="Progressive scans with optimised tables: smaller, slower to make.")
    ] = False
    subsampling: Annotated[
        Literal["4:2:0", "4:4:4"],
        Field(description="How much colour a JPEG or AVIF keeps: 4:4:4 keeps red text and thin coloured lines sharp."),
    ] = "4:2:0"
    colours: Annotated[
        int | None, Field(ge=2, le=256, description="Reduce a PNG or GIF to so many colours: much smaller.")
    ] = None
    max_bytes: Annotated[
        int | None,
        Field(ge=100, description="Most bytes of the result; a lossy format lowers its quality until it fits."),
    ] = None
    target: Annotated[
        TargetParameter | None,
        Field(description="The lowest quality whose structural similarity reaches this, in place of `quality`."),
    ] = None
    frame: Annotated[int | None, Field(ge=0, description="Use only this frame of an animation, counted from 0.")] = None
    page: Annotated[int | None, Field(ge=1, description="Use this page of a TIFF, counted from 1.")] = None
    icc: Annotated[
        Icc,
        Field(
            description="Colours of the result: `srgb` without a profile, `p3` (Display P3) or, of an RGB picture, its "
            "own, with the profile.  Colours in parameters are then meant in it."
        ),
    ] = "srgb"
    background: Annotated[
        ColourParameter, Field(description="Shines through where the result's format has no transparency.")
    ] = WHITE
    metadata: Annotated[
        Literal["strip", "copyright", "keep"],
        Field(description="Which of EXIF and XMP survive; orientation and profile are always applied and dropped."),
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
        """The one frame that is wanted, counted from 0."""
        return self.frame if self.page is None else self.page - 1

    def check(self) -> Output:
        """Itself; raises UnusableParameters where the named format has no use for a parameter that was given."""
        if self.frame is not None and self.page is not None:
            raise UnusableParameters(OWNER, "frame and page both choose one; leave one of them out")
        if self.target is not None and ("quality" in self.model_fields_set or self.lossless):
            raise UnusableParameters(OWNER, "target finds the quality; leave quality and lossless out")
        if self.format in (None, "auto"):
            return self
        if self.format in KNOWN and self.format not in FORMATS:
            missing = KNOWN[self.format].how_to_install
            raise UnusableParameters(OWNER, f"format={self.format} cannot be written here; {missing} adds it")
        fields = FORMATS[self.format].fields if self.format in FORMATS else ()
        for name in FORMAT_FIELDS:
            if name in self.model_fields_set and NEEDS.get(name, name) not in fields:
                users = [other for other, row in WRITTEN.items() if NEEDS.get(name, name) in row.fields]
                raise UnusableParameters(
                    OWNER,
                    f"format={self.format} has no use for {name}; {joined(users)} take it; leave it out",
                )
        return self
