"""Colour management: whatever the bytes meant, what comes out is sRGB, and no profile is left on it."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

from imgsrv.imaging.picture import Frame

_SRGB = ImageCms.createProfile("sRGB")

MAX_PROFILE_BYTES = 4 << 20
"""Those of presses have up to 3 MiB; what is larger is no use to anybody and would fill the cache."""

SAME_LEVELS = 1
"""A profile that moves no colour by more levels than this is taken for sRGB."""


def to_srgb(image: Image.Image, profile: bytes | None) -> Frame:
    """The image in mode L, RGB or RGBA with sRGB colours.

    An unusable profile, or one for another kind of pixels, is ignored, as browsers do; CMYK without a profile
    is converted as `(255 − ink) × (255 − black) / 255`.
    """
    image = _plain_mode(image)
    if profile and len(profile) <= MAX_PROFILE_BYTES and image.mode in ("L", "RGB", "RGBA", "CMYK"):
        image = _transformed(image, profile)
    return image if image.mode in ("L", "RGB", "RGBA") else image.convert("RGB")


def _plain_mode(image: Image.Image) -> Image.Image:
    """One of L, RGB, RGBA, CMYK; 16-bit greys become 8-bit ones by their high byte."""
    if image.mode in ("1", "L", "RGB") and "transparency" in image.info:
        # A PNG or GIF without an alpha channel can still name one colour as transparent.
        return image.convert("RGBA")
    if image.mode in ("L", "RGB", "RGBA", "CMYK"):
        return image
    if image.mode == "1":
        return image.convert("L")
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image).clip(0, 65_535) >> 8).astype(np.uint8))
    if image.mode == "F":
        return Image.fromarray(np.nan_to_num(np.asarray(image)).clip(0, 255).round().astype(np.uint8))
    has_alpha = image.mode in ("LA", "La", "PA", "RGBa") or "transparency" in image.info
    return image.convert("RGBA" if has_alpha else "RGB")


def _transformed(image: Image.Image, profile: bytes) -> Image.Image:
    colours = "RGB" if image.mode == "RGBA" else image.mode
    transform = _transform(profile, colours)
    if transform is None:
        return image
    if image.mode == "RGBA":
        alpha = image.getchannel("A")
        result = transform.apply(image.convert("RGB"))
        result.putalpha(alpha)
        return result
    result = transform.apply(image)
    return result.getchannel("G") if image.mode == "L" else result


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The way from the profile's colours to sRGB; None where there is nothing to do or nothing that can be done."""
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)), _SRGB, mode, "RGB", ImageCms.Intent.PERCEPTUAL
        )
    except (ImageCms.PyCMSError, OSError):
        return None
    return None if mode != "CMYK" and _keeps_colours(transform, mode) else transform


def _keeps_colours(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Moves no colour of a 9×9×9 lattice by more than SAME_LEVELS: most profiles in photographs are sRGB's."""
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    lattice = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(27, 27, 3)
    image = Image.fromarray(lattice).convert(mode)
    moved = np.asarray(transform.apply(image), np.int16) - np.asarray(image.convert("RGB"), np.int16)
    return int(np.abs(moved).max()) <= SAME_LEVELS
