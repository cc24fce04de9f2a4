"""PLACEHOLDERS: outputs that are a line of text, to be shown while the picture itself is loading.

A placeholder is one row of the table: a function from the first frame and the background to the text.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable

from imgsrv.imaging.formats import FORMATS
from imgsrv.imaging.lazy import np
from imgsrv.imaging.model.parameter_types import Colour
from imgsrv.imaging.model.picture import Frame

MEDIA_TYPE, SUFFIX = "text/plain", ".txt"

LQIP_FORMAT, LQIP_SIDE, LQIP_QUALITY = "WEBP", 20, 50
"""Format, longest side and quality of the tiny picture: about 200 bytes."""

Placeholder = Callable[[Frame, Colour], str]


def _blurhash(frame: Frame, background: Colour) -> str:
    from imgsrv.imaging.analysis.hashes import blurhash  # noqa: PLC0415  naming the outputs does not need the measures
    from imgsrv.imaging.analysis.measures import small  # noqa: PLC0415
    from imgsrv.imaging.pixels.composite import flatten  # noqa: PLC0415

    return blurhash(np.asarray(flatten(small(frame), background)))


def _thumbhash(frame: Frame, _background: Colour) -> str:
    from imgsrv.imaging.analysis.measures import thumbhash  # noqa: PLC0415

    return thumbhash(frame)


def _lqip(frame: Frame, _background: Colour) -> str:
    from imgsrv.imaging.analysis.measures import small  # noqa: PLC0415

    file = io.BytesIO()
    small(frame, LQIP_SIDE).save(file, LQIP_FORMAT, quality=LQIP_QUALITY, method=6)
    return f"data:image/webp;base64,{base64.b64encode(file.getbuffer()).decode()}"


PLACEHOLDERS: dict[str, Placeholder] = {"blurhash": _blurhash, "thumbhash": _thumbhash, "lqip": _lqip}


def media_type_of(name: str) -> str:
    """The media type of any output, picture or text."""
    return MEDIA_TYPE if name in PLACEHOLDERS else FORMATS[name].media_type


def suffix_of(name: str) -> str:
    """The suffix of a file of any output."""
    return SUFFIX if name in PLACEHOLDERS else FORMATS[name].suffixes[0]


def holds_frames(name: str) -> bool:
    """The output can be an animation."""
    return name in FORMATS and FORMATS[name].has_animation
