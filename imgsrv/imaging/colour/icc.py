"""Colour management: converts pixels to sRGB, or to the one profile that is written with them."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from imgsrv.imaging.colour.display_p3 import make_display_p3
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.pixels.sixteen_bit import MOST, to_8_bits

_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))

MAX_PROFILE_BYTES = 4 << 20
"""Profiles of printing presses have up to 3 MiB; a larger one is ignored, so that it does not fill the cache."""

SIZE_BYTES = 4
"""A profile begins with its size (ICC.1:2022, 7.2.2)."""

SAME_LEVELS = 1
"""A profile is taken for the wanted one if it moves no colour by more levels."""

COLOURS = ("RGB", "RGBA", "P", "PA", "RGBX", "RGB;16", "RGBA;16")

GREYS = ("1", "L", "LA", "La", "F", "I", "I;16", "I;16B", "I;16L", "I;16N")


P3 = make_display_p3()


def to_profile(image: Image.Image, profile: bytes | None, wanted: bytes | None = None) -> Frame:
    """The image in mode L, RGB or RGBA, in the colours of the wanted profile.

    profile: the image's own.  None is sRGB for both profiles.  As in browsers, a profile that is unusable or for
    another mode is ignored.  CMYK without a profile is converted as `(255 − ink) × (255 − black) / 255`.
    """
    if profile and len(profile) > MAX_PROFILE_BYTES:
        profile = None
    if profile and _is_grey_with_alpha(image) and is_usable(profile, "L"):
        return _grey_with_alpha(image, profile)
    image = plain_mode(image)
    if image.mode == "LAB":
        return _from_lab(wanted).apply(image)
    image = _transformed(image, profile, wanted)
    return image if image.mode in ("L", "RGB", "RGBA") else image.convert("RGB")


def _is_grey_with_alpha(image: Image.Image) -> bool:
    return image.mode in ("LA", "La") or (image.mode in ("1", "L") and "transparency" in image.info)


def _grey_with_alpha(image: Image.Image, profile: bytes) -> Frame:
    """Grey with alpha or a transparent level, as RGBA in sRGB.  profile: of grey."""
    levels = plain_mode(image)
    result = _transformed(levels.getchannel("G"), profile, None).convert("RGB")
    result.putalpha(levels.getchannel("A"))
    return result


def srgb_profile() -> bytes:
    """A profile of sRGB."""
    return _SRGB.tobytes()


def changes_nothing(profile: bytes | None) -> bool:
    """True if pixels of the profile's kind, RGB or grey, need no conversion to sRGB."""
    if profile is None:
        return True
    mode = next((mode for mode in ("RGB", "L") if is_usable(profile, mode)), None)
    return mode is not None and _transform(profile, mode, None) is None


def plain_mode(image: Image.Image) -> Image.Image:
    """The image in mode L, RGB, RGBA, CMYK or LAB; 16 bits are rounded to 8."""
    if image.mode in ("1", "L", "RGB") and "transparency" in image.info:
        # A PNG or GIF without an alpha channel can declare one colour transparent.
        return image.convert("RGBA")
    if image.mode in ("L", "RGB", "RGBA", "CMYK", "LAB"):
        return image
    if image.mode == "1":
        return image.convert("L")
    if image.mode.startswith("I"):
        return Image.fromarray(to_8_bits(np.asarray(image).clip(0, MOST).astype(np.uint16)))
    if image.mode == "F":
        return Image.fromarray(np.nan_to_num(np.asarray(image)).clip(0, 255).round().astype(np.uint8))
    has_alpha = image.mode in ("LA", "La", "PA", "RGBa") or "transparency" in image.info
    return image.convert("RGBA" if has_alpha else "RGB")


def _transformed(image: Image.Image, profile: bytes | None, wanted: bytes | None) -> Image.Image:
    colours = "RGB" if image.mode == "RGBA" else image.mode
    if profile is not None and not is_usable(profile, colours):
        profile = None
    if profile is None and image.mode == "CMYK":
        image, colours = image.convert("RGB"), "RGB"
    # Grey without a profile is the same in every colour space.
    if profile == wanted or (profile is None and colours != "RGB"):
        return image
    transform = _transform(profile, colours, wanted)
    if transform is None:
        return image
    if image.mode == "RGBA":
        alpha = image.getchannel("A")
        result = transform.apply(image.convert("RGB"))
        result.putalpha(alpha)
        return result
    if image.mode == "L":
        levels = transform.apply(Image.frombytes("L", (256, 1), bytes(range(256)))).getchannel("G")
        return image.point(levels.tobytes())
    return transform.apply(image)


LEAST_VOLUME = 1e-6
"""The least determinant of red, green and blue as XYZ; that of sRGB is 0.2."""


@lru_cache(maxsize=16)
def is_usable(profile: bytes, mode: str) -> bool:
    """True if the profile is whole, can be read and is for pixels of that mode."""
    # lcms reads numbers of tags that are cut off as they come.
    if int.from_bytes(profile[:SIZE_BYTES], "big") > len(profile):
        return False
    try:
        _built(profile, mode, None)
        return not _is_flat(_opened(profile).profile)
    except (ImageCms.PyCMSError, OSError):
        return False


def _is_flat(profile: Any) -> bool:
    """The red, green and blue of a profile lie in one plane of XYZ, so that they make no colours.

    A profile with tables (A2B) does not use them.
    """
    colorants = profile.red_colorant, profile.green_colorant, profile.blue_colorant
    if None in colorants or any(table for directions in profile.clut.values() for table in directions[:1]):
        return False
    matrix = np.array([colorant[0] for colorant in colorants if colorant])
    return bool(abs(np.linalg.det(matrix)) < LEAST_VOLUME)


@lru_cache(maxsize=16)
def _transform(profile: bytes | None, mode: str, wanted: bytes | None) -> ImageCms.ImageCmsTransform | None:
    """The transform from the profile's colours to the wanted ones; None where it would change nothing."""
    transform = _built(profile, mode, wanted)
    return None if mode != "CMYK" and _keeps_colours(transform, mode) else transform


def _built(profile: bytes | None, mode: str, wanted: bytes | None) -> ImageCms.ImageCmsTransform:
    # lcms would interpolate between a few levels of grey: linear light is then 10 levels off in the dark.
    flags = ImageCms.Flags.NOOPTIMIZE if mode == "L" else ImageCms.Flags.NONE
    intent = ImageCms.Intent.PERCEPTUAL
    return ImageCms.buildTransform(_opened(profile), _opened(wanted), mode, "RGB", intent, flags)


@lru_cache(maxsize=4)
def _from_lab(wanted: bytes | None) -> ImageCms.ImageCmsTransform:
    """The transform from CIELAB under D50."""
    return ImageCms.buildTransform(ImageCms.createProfile("LAB"), _opened(wanted), "LAB", "RGB")


def _opened(profile: bytes | None) -> ImageCms.ImageCmsProfile:
    return _SRGB if profile is None else ImageCms.ImageCmsProfile(io.BytesIO(profile))


def _keeps_colours(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """True if the transform moves no colour of a 9×9×9 lattice by more than SAME_LEVELS, as with most photographs."""
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    lattice = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(27, 27, 3)
    image = Image.fromarray(lattice).convert(mode)
    moved = np.asarray(transform.apply(image), np.int16) - np.asarray(image.convert("RGB"), np.int16)
    return int(np.abs(moved).max()) <= SAME_LEVELS
