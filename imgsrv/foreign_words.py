"""Words of other image servers, of sharp and of CSS, and what they are here: for the messages of errors.

Tables of text alone.  docs/migrating.md says the same for people who read first; tests/test_mistakes.py has requests.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping

SYNONYMS = {
    "angle": "degrees",
    "aq": "target",
    "areaheight": "height",
    "areawidth": "width",
    "aspectratio": "aspect",
    "autorotate": "pipeline",
    "background_color": "background",
    "bd": "redact",
    "bg": "background",
    "bl": "blur",
    "blur_detections": "redact",
    "br": "brightness",
    "c": "crop",
    "chromasubsampling": "subsampling",
    "co": "contrast",
    "composite": "watermark",
    "compression": "effort",
    "compressionlevel": "effort",
    "convert": "pipeline",
    "convolution": "convolve",
    "dilate": "morphology",
    "dt": "duotone",
    "el": "enlarge",
    "enlarge": "resize",
    "erode": "morphology",
    "ex": "extend",
    "exar": "extend",
    "extract": "crop",
    "f": "format",
    "fit": "resize",
    "fl": "flop",
    "flatten": "background",
    "fm": "format",
    "focal": "resize",
    "g": "gravity",
    "gr": "gradient",
    "greyscale": "grayscale",
    "h": "height",
    "interlace": "progressive",
    "keepmetadata": "metadata",
    "mb": "max_bytes",
    "mh": "min_height",
    "modulate": "saturation",
    "mw": "min_width",
    "negate": "invert",
    "normalise": "normalize",
    "output": "format",
    "palette": "colours",
    "pd": "pad",
    "pg": "page",
    "pix": "pixelate",
    "position": "gravity",
    "proportion": "resize",
    "recomb": "matrix",
    "rgb": "matrix",
    "rot": "rotate",
    "round_corner": "round",
    "rs": "resize",
    "sa": "saturation",
    "scp": "icc",
    "sh": "sharpen",
    "sm": "metadata",
    "smart": "smartcrop",
    "strip": "metadata",
    "stripmeta": "metadata",
    "t": "trim",
    "thumbnail": "resize",
    "type": "format",
    "ush": "unsharp",
    "watermarkimage": "watermark",
    "withmetadata": "metadata",
    "wm": "watermark",
    "zoom": "resize",
}
"""Names that are not similar to ours, and the operation, route or parameter that does the same."""

ADVICE = {
    "auto": "format=auto chooses the format by the Accept header, and EXIF orientation is always applied",
    "autoorient": "EXIF orientation is always applied: leave it out",
    "crop": "fit=cover fills width and height and cuts the rest; the operation crop cuts without scaling",
    "image": "send the picture as the body, or name it with source=",
    "force": "fit=fill stretches the picture to width and height",
    "img": "send the picture as the body, or name it with source=",
    "left": "to cut a part, use the operation crop: ops=crop:left=10,top=20,width=300,height=200",
    "mode": "fit says how width and height are met: inside, outside, cover, contain or fill",
    "percent": "width and height are pixels; the operation crop takes fractions below 1",
    "scale": "give width or height in pixels; dpr multiplies both",
    "size": "give width and height, each in pixels",
    "src": "send the picture as the body, or name it with source=",
    "top": "to cut a part, use the operation crop: ops=crop:left=10,top=20,width=300,height=200",
    "url": "send the picture as the body, or name it with source=",
    "withoutenlargement": "a picture is made larger only with enlarge=true: leave it out",
    "x": "to cut a part, use the operation crop: ops=crop:left=10,top=20,width=300,height=200",
    "y": "to cut a part, use the operation crop: ops=crop:left=10,top=20,width=300,height=200",
}
"""What to do instead, for names that no single name of ours replaces; without lines and in small letters."""

_GRAVITY = {
    "centre": "center",
    "middle": "center",
    "ce": "center",
    "sm": "smart",
    "auto": "smart",
    "attention": "smart",
    "entropy": "smart",
    "faces": "face",
    "top": "north",
    "up": "north",
    "no": "north",
    "bottom": "south",
    "down": "south",
    "so": "south",
    "left": "west",
    "we": "west",
    "right": "east",
    "ea": "east",
    "noea": "northeast",
    "topright": "northeast",
    "righttop": "northeast",
    "nowe": "northwest",
    "topleft": "northwest",
    "lefttop": "northwest",
    "soea": "southeast",
    "bottomright": "southeast",
    "rightbottom": "southeast",
    "sowe": "southwest",
    "bottomleft": "southwest",
    "leftbottom": "southwest",
}

VALUES: Mapping[str, Mapping[str, str]] = {
    "gravity": _GRAVITY,
    "fit": {
        "clip": "inside",
        "fit": "inside",
        "max": "inside",
        "scaledown": "inside",
        "thumbnail": "inside",
        "min": "outside",
        "crop": "cover",
        "filldown": "cover",
        "fitin": "inside",
        "force": "fill",
        "stretch": "fill",
        "scale": "fill",
        "exact": "fill",
        "pad": "contain",
    },
    "kernel": {"cubic": "bicubic", "linear": "bilinear", "lanczos2": "lanczos", "lanczos3": "lanczos"},
    "format": {"heif": "heic", "jpe": "jpeg", "pjpeg": "jpeg", "jpegxl": "jxl", "j2k": "jp2", "ico": "png"},
    "metadata": {"true": "keep", "all": "keep", "false": "strip", "none": "strip", "0": "keep", "1": "strip"},
}
"""Values of a parameter elsewhere, without lines and in small letters, and the value that means the same."""

FORMATS = {
    **{name: name for name in ("png", "webp", "avif", "gif", "tiff", "jxl")},
    "jpeg": "jpeg",
    "jpg": "jpeg",
    "heif": "heic",
    "heic": "heic",
    "tojpeg": "jpeg",
    "towebp": "webp",
    "topng": "png",
    "toavif": "avif",
}
"""Formats as sharp has them, each a function."""

UNITS = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(?:px|pt|dp|em|rem|deg|°|%|vw|vh|w|x)", re.IGNORECASE)
"""A number with the unit of CSS or of `srcset` behind it."""


_JOINTS = re.compile(r"[-_ +]")
_SHARE = re.compile(r"0?\.[0-9]{1,2}|1\.0")


def plain(word: str) -> str:
    """Return the word in small letters without lines and blanks: `Scale-Down` → `scaledown`."""
    return _JOINTS.sub("", word.lower())


def advice_for(parameter: str) -> str:
    """Return what to do instead of a parameter; an empty text if there is no advice."""
    return ADVICE.get(plain(parameter), "")


def operation_advice(name: str, parameters: Container[str]) -> str:
    """Return how to write what is no operation here but a parameter of the output; else an empty text."""
    if plain(name) in FORMATS:
        return f"the format is a parameter of the output: write &format={FORMATS[plain(name)]} behind the steps"
    near = SYNONYMS.get(name.lower())
    return f"{near} is a parameter of the output: write &{near}=… behind the steps" if near in parameters else ""


def value_meant(parameter: str, value: str) -> str | None:
    """Return the value here that means the same; None if none is known.

    A number with a unit is meant without it.  A quality up to 1, as canvas.toBlob takes it, is meant in hundredths.
    """
    if known := VALUES.get(parameter, {}).get(plain(value)):
        return known
    if found := UNITS.fullmatch(value.strip()):
        return found[1]
    if parameter == "quality" and _SHARE.fullmatch(value):
        return f"{100 * float(value):.0f}"
    return None
