"""What to do here instead of what is done elsewhere by another way: sentences for the messages of errors.

Tables of text and the functions that look into them.  foreign_words.py has the names that one name of ours replaces.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping

from imgsrv.foreign_words import SYNONYMS, plain

_CUT = "to cut a part, use the operation crop: ops=crop:left=10,top=20,width=300,height=200"
_SEND = "send the picture as the body, or name it with source="
_ANIMATION = "an animation stays one where the format of the result can hold it; frame=0 takes one picture of it"
_PLAYS = "an animation keeps its durations and plays as often as before: leave it out"
_UPRIGHT = "EXIF orientation is always applied: leave it out"
_PROFILE = "icc=keep keeps the colours and their profile; without it the result is in sRGB"
_METADATA = (
    "metadata=copyright keeps the author and the licence and drops the rest, GPS too; metadata=keep keeps all; "
    "icc=keep keeps the profile"
)
_MARK = "send the mark as the part `watermark` of the upload, or name it with source.watermark="
_DRAWN = "a drawing or a page is drawn at the size of the first resize: write resize:width=600, or width=300,dpr=2"

ADVICE = {
    "animated": _ANIMATION,
    "auto": "format=auto chooses the format by the Accept header, and EXIF orientation is always applied",
    "autoorient": _UPRIGHT,
    "autorotate": _UPRIGHT,
    "copyright": _METADATA,
    "crop": "fit=cover fills width and height and cuts the rest; the operation crop cuts without scaling",
    "delay": _PLAYS,
    "density": _DRAWN,
    "dpi": _DRAWN,
    "exif": _METADATA,
    "filesize": "max_bytes=100000 bounds the bytes of the result",
    "force": "fit=fill stretches the picture to width and height",
    "formats": "a request has one format; format=auto follows the Accept header, and the part `outputs` of /batch has "
    "a format for each output",
    "gps": _METADATA,
    "iccprofile": _PROFILE,
    "image": _SEND,
    "img": _SEND,
    "keepcopyright": _METADATA,
    "left": _CUT,
    "loop": _PLAYS,
    "maxfilesize": "max_bytes=100000 bounds the bytes of the result",
    "maxsize": "max_bytes=100000 bounds the bytes of the result; max_width and max_height of resize bound its sides",
    "mode": "fit says how width and height are met: inside, outside, cover, contain or fill",
    "pages": _ANIMATION,
    "percent": "width and height are pixels; the operation crop takes fractions below 1",
    "profile": _PROFILE,
    "rs": "write its parts as parameters: rs:fit:300:200 is resize:width=300,height=200",
    "scale": "give width or height in pixels; dpr multiplies both",
    "size": "give width and height, each in pixels",
    "src": _SEND,
    "stripcolorprofile": _PROFILE,
    "stripprofile": _PROFILE,
    "top": _CUT,
    "url": _SEND,
    "withoutenlargement": "a picture is made larger only with enlarge=true: leave it out",
    "x": _CUT,
    "y": _CUT,
    "zoom": "to come closer, cut first: ops=crop:width=0.5,aspect=1:1,gravity=face/resize:width=256",
}
"""What to do instead, for names that no single name of ours replaces; without lines and in small letters."""

_TEXT = {
    "stroke": "outline=2 and outline_colour=000000 draw a line around the letters",
    "border": "outline=2 and outline_colour=000000 draw a line around the letters",
    "weight": "the weight is part of the name of the font, such as font=SourceSansPro-Bold",
    "fontweight": "the weight is part of the name of the font, such as font=SourceSansPro-Bold",
    "bold": "the weight is part of the name of the font, such as font=SourceSansPro-Bold",
    "fontfamily": "font=NAME chooses a font; GET /fonts lists the names",
}

_PLACE = "gravity says where it stands, and margin how far from the edges, as a fraction of the shorter side"

_OF_OWNERS: Mapping[str, Mapping[str, str]] = {
    "watermark": {
        "angle": "turn the mark before you send it, such as by /rotate?degrees=-30&format=png",
        "rotate": "turn the mark before you send it, such as by /rotate?degrees=-30&format=png",
        "replicate": "tile=true repeats the mark over the whole picture",
        "repeat": "tile=true repeats the mark over the whole picture",
        "tiled": "tile=true repeats the mark over the whole picture",
        **dict.fromkeys(("image", "img", "input", "logo", "overlay", "src", "url", "watermark"), _MARK),
        **dict.fromkeys(("left", "top", "right", "bottom", "x", "y", "dx", "dy", "offset"), _PLACE),
        **dict.fromkeys(("width", "height", "size", "w", "h"), "scale=0.2 is a fifth of the width of the picture"),
    },
    "text": {
        **_TEXT,
        **dict.fromkeys(("strokewidth", "outlinewidth"), _TEXT["stroke"]),
        **dict.fromkeys(("strokecolor", "strokecolour", "outlinecolor"), _TEXT["stroke"]),
        **dict.fromkeys(("left", "top", "right", "bottom", "x", "y", "dx", "dy", "offset"), _PLACE),
    },
    "batch": {"sizes": "widths=320,640 makes an output for each width"},
    "pipeline": {"sizes": "POST /batch?widths=320,640 makes an output for each width"},
    "resize": {
        "sizes": "POST /batch?widths=320,640 makes an output for each width",
        "widths": "POST /batch?widths=320,640 makes an output for each width",
    },
}
"""The same for what a name means to one operation or route, which comes before ADVICE and similar names of ours."""

FORMATS = {
    **{name: name for name in ("png", "webp", "avif", "gif", "tiff", "jxl", "blurhash", "thumbhash", "lqip")},
    "jpeg": "jpeg",
    "jpg": "jpeg",
    "heif": "heic",
    "heic": "heic",
    "tojpeg": "jpeg",
    "towebp": "webp",
    "topng": "png",
    "toavif": "avif",
    "placeholder": "lqip",
}
"""Formats as sharp has them, each a function, and placeholders, which are formats here."""

OPERATIONS = {
    "avatar": "write resize:width=256,height=256,fit=cover,gravity=face/round:shape=circle",
    "circle": "write round:shape=circle",
    **dict.fromkeys(("colors", "colours", "dominant"), "POST /info?include=dominant,palette describes the colours"),
}
"""What to write for an operation that takes several words here."""

_VALUES: Mapping[str, Mapping[str, str]] = {
    "radius": dict.fromkeys(("max", "full", "circle", "infinity"), "shape=circle makes a circle"),
    "format": {
        **dict.fromkeys(("dominant", "palette", "color", "colour"), "POST /info?include=dominant,palette has colours"),
    },
    "include": {
        "lqip": "POST /pipeline?format=lqip makes it",
        "faces": "gravity=face keeps a face in the middle, and the operation redact covers faces",
    },
    "gravity": dict.fromkeys(("re", "tile", "replicate", "repeat"), "tile=true repeats a mark over the whole picture"),
}
"""What to write in place of a value that belongs elsewhere here, by parameter."""

_LISTED = re.compile(r"[a-z0-9]{2,9}(?:,[a-z0-9]{2,9}){1,15}")

_OF_IMGPROXY = re.compile(r"/(?:plain/|(?:rs|resize|w|h|width|height|g|q|el|rt|s|size|pr|preset|f):)")


def advice_for(parameter: str, owner: str = "") -> str:
    """Return what to do instead of a parameter of an operation or route; an empty text if there is no advice."""
    name = plain(parameter)
    return _OF_OWNERS.get(owner, {}).get(name) or ADVICE.get(name, "")


def is_particular(parameter: str, owner: str) -> bool:
    """Whether the owner has advice of its own for the parameter."""
    return plain(parameter) in _OF_OWNERS.get(owner, {})


def operation_advice(name: str, parameters: Container[str]) -> str:
    """Return how to write what is no operation here but several words, or a parameter of the output; else nothing."""
    if known := OPERATIONS.get(plain(name)):
        return known
    if plain(name) in FORMATS:
        return f"the format is a parameter of the output: write &format={FORMATS[plain(name)]} behind the steps"
    near = SYNONYMS.get(name.lower())
    return f"{near} is a parameter of the output: write &{near}=… behind the steps" if near in parameters else ""


def value_advice(parameter: str, value: str) -> str:
    """Return what to write in place of a value that no value of the parameter replaces; else an empty text."""
    if parameter in ("format", "metadata") and _LISTED.fullmatch(value):
        return {
            "format": "one output has one format: /batch makes several outputs, each with a format of its own, and "
            "format=auto follows the Accept header",
            "metadata": "icc=keep beside metadata=copyright keeps the profile, too",
        }[parameter]
    return _VALUES.get(parameter, {}).get(plain(value), "")


def path_advice(path: str) -> str:
    """Return how to write what a path of another image server asks for; an empty text if it is none of those known."""
    if _OF_IMGPROXY.search(path):
        return (
            "it looks like a path of imgproxy: its options are a query here, as in "
            "/resize?width=300&height=200&format=webp&source=s3://bucket/photo.jpg"
        )
    if path.startswith(("/unsafe/", "/cdn-cgi/image/")):
        return "its options are a query here, as in /resize?width=300&height=200&fit=cover&source=https://example.com/a.jpg"
    return ""
