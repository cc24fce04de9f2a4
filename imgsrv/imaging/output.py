"""Output: how the result is encoded, and which format that is in the end."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from imgsrv.errors import UnusableParameters, joined
from imgsrv.imaging.formats import EFFORT_STEPS, FORMATS
from imgsrv.imaging.parameters import WHITE, ColourParameter

FormatName = Literal[
    "auto", "jpeg", "png", "webp", "avif", "gif", "tiff", "bmp", "jp2", "blurhash", "thumbhash", "lqip"
]

OWNER = "output"
"""What an error calls the one who takes these parameters."""


class Output(BaseModel):
    """The output parameters, the same on every route and on the command line."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Annotated[
        FormatName | None,
        Field(
            description="Format of the result; `auto` follows the Accept header; the last three give a line of text to "
            "show before the picture.  Default: that of the input."
        ),
    ] = None
    quality: Annotated[int, Field(ge=1, le=100, description="Quality of a lossy format, 100 is best.")] = 80
    lossless: Annotated[bool, Field(description="Keep every pixel as it is.")] = False
    effort: Annotated[
        int | None,
        Field(ge=0, le=EFFORT_STEPS, description="Time spent to make the file smaller, 9 is most."),
    ] = None
    progressive: Annotated[
        bool, Field(description="Progressive scans with optimised tables: smaller, slower to make.")
    ] = False
    background: Annotated[
        ColourParameter, Field(description="Shines through where the result's format has no transparency.")
    ] = WHITE
    metadata: Annotated[
        Literal["strip", "copyright", "keep"],
        Field(description="Which of EXIF and XMP survive; orientation and profile are always applied and dropped."),
    ] = "strip"

    def check(self) -> Output:
        """Itself; raises UnusableParameters where the named format has no use for a parameter that was given."""
        if self.format in (None, "auto"):
            return self
        fields = FORMATS[self.format].fields if self.format in FORMATS else ()
        for name in ("quality", "lossless", "effort", "progressive"):
            if name in self.model_fields_set and name not in fields:
                users = [other for other, row in FORMATS.items() if name in row.fields]
                raise UnusableParameters(
                    OWNER,
                    f"format={self.format} has no use for {name}; {joined(users)} take it; leave it out",
                )
        return self
