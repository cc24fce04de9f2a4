"""The functions of the library: `from imgsrv import process, describe`; `docs/library.md` explains them.

They call the same code as the server and `imgsrv convert`.  Several threads may call them at a time; neither function
keeps anything of a picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from mmap import mmap

from imgsrv.errors import UnusableParameters
from imgsrv.imaging.codecs.output import OWNER, Output
from imgsrv.imaging.model.limits import NO_PARTS, Data, Limits
from imgsrv.imaging.model.picture_facts import PictureFacts
from imgsrv.imaging.pipelines.pipeline import Pipeline

Picture = Data | bytearray
"""The bytes of a picture file."""


def process(
    data: Picture,
    pipeline: Pipeline | str = "",
    output: Output | None = None,
    limits: Limits | None = None,
    parts: Mapping[str, Data] = NO_PARTS,
) -> bytes:
    """Run a pipeline on a picture and return the bytes of the result.

    data: the picture file.  pipeline: the operations, such as "resize:width=300/sharpen"; empty only encodes anew.
    output: format and quality of the result; without it, the format of the input, or one that browsers show, at the
    default quality of the format.
    limits: the largest picture; without it, 100 megapixels and 256 frames.
    parts: further files that operations work with, by name, such as {"watermark": logo}.

    Raises children of `errors.ImgsrvError`: BadRequest for arguments, BadPicture for the picture, MissingPart and
    UnusedPart for parts.
    """
    from imgsrv.imaging.process import process as run  # noqa: PLC0415  the first picture loads the codecs

    steps = Pipeline.parse(pipeline) if isinstance(pipeline, str) else pipeline
    steps.check_parts(parts)
    wanted = (output or Output()).check()
    if wanted.format == "auto":
        raise UnusableParameters(OWNER, "format=auto follows the Accept header of a request; name a format")
    return run(_readable(data), steps, wanted, limits or Limits(), parts)


def describe(data: Picture, include: Iterable[str] = (), limits: Limits | None = None) -> PictureFacts:
    """Return the facts of a picture, as `POST /info` answers them: format, size, frames, metadata and more.

    Without `include` only the header is read.  include: names of measures of the pixels, such as ("palette",
    "sharpness"); "gps" for the place; "all" for every measure.
    A text of names with commas between them is the same.
    Raises errors.InvalidParameter and RepeatedParameter for a name of `include`, and children of errors.BadPicture.
    """
    from imgsrv.imaging.info import describe_picture, parse_include  # noqa: PLC0415  the first picture loads the codecs

    names = include if isinstance(include, str) else ",".join(include)
    return describe_picture(_readable(data), limits or Limits(), parse_include(names) if names else ())


def _readable(data: Picture) -> Data:
    """The bytes in a type that the codecs accept, without a copy.  Raises UnusableParameters for anything else."""
    if isinstance(data, bytearray):
        return memoryview(data)
    if not isinstance(data, bytes | memoryview | mmap):
        kind = type(data).__name__
        raise UnusableParameters(
            "data", f"{kind} is no picture; give the bytes of a file, as Path(name).read_bytes() reads them"
        )
    return data
