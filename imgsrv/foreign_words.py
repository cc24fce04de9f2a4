"""Words of other image servers, of sharp and of CSS, and what they are here: for the messages of errors.

Names and values alone; foreign_advice.py has whole sentences.  docs/migrating.md says the same for people who read
first; tests/test_mistakes.py has requests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

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

UNITS = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(?:px|pt|dp|em|rem|deg|°|%|vw|vh|w|x)", re.IGNORECASE)
"""A number with the unit of CSS or of `srcset` behind it."""


BYTES = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?) ?(k|kb|kib|m|mb|mib)", re.IGNORECASE)
"""An amount of bytes with its unit, as settings take it."""

PER_UNIT = {"k": 1000, "kb": 1000, "kib": 1024, "m": 1_000_000, "mb": 1_000_000, "mib": 1_048_576}

_JOINTS = re.compile(r"[-_ +]")
_SHARE = re.compile(r"0?\.[0-9]{1,2}|1\.0")


def plain(word: str) -> str:
    """Return the word in small letters without lines and blanks: `Scale-Down` → `scaledown`."""
    return _JOINTS.sub("", word.lower())


def value_meant(parameter: str, value: str) -> str | None:
    """Return the value here that means the same; None if none is known.

    A number with a unit is meant without it.  A quality up to 1, as canvas.toBlob takes it, is meant in hundredths.
    """
    if parameter == "max_bytes" and (found := BYTES.fullmatch(value.strip())):
        return f"{float(found[1]) * PER_UNIT[found[2].lower()]:.0f}"
    if known := VALUES.get(parameter, {}).get(plain(value)):
        return known
    if found := UNITS.fullmatch(value.strip()):
        return found[1]
    if parameter == "quality" and _SHARE.fullmatch(value):
        return f"{100 * float(value):.0f}"
    return None
