"""Pixels into the colours of a result: 8 bits by Pillow's lcms, 16 bits by imagecodecs', HDR by tone mapping."""

from __future__ import annotations

from functools import lru_cache

from PIL import Image

from imgsrv.imaging.colour.colours import Colours
from imgsrv.imaging.colour.icc import COLOURS, GREYS, P3, changes_nothing, plain_mode, to_profile
from imgsrv.imaging.colour.matrix_profile import SRGB_CURVE, grey_profile
from imgsrv.imaging.colour.tone_map import tone_mapped
from imgsrv.imaging.lazy import np
from imgsrv.imaging.model.parameter_types import Icc
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.pixels.sixteen_bit import MOST, STEPS_OF_8_BITS, DeepFrame, DeepPixels, deep_frame, is_deep, shallow
from imgsrv.imaging.pixels.strips import bands

SPACES = {1: "gray", 3: "rgb", 4: "rgba"}
"""lcms' kind of pixels, by number of channels."""


def wanted_colours(colours: Colours, mode: str, icc: Icc) -> Colours:
    """The colours that the pixels of an opened image of that mode are converted to.

    With `keep`, RGB keeps its profile and high dynamic range its code points; CMYK, LAB and grey become sRGB.
    """
    if icc == "p3":
        return Colours(P3 if mode not in GREYS else None)
    if icc == "keep":
        return Colours(colours.profile if mode in COLOURS else None, colours.hdr)
    return Colours()


def is_same(colours: Colours, wanted: Colours) -> bool:
    """Pixels of RGB or grey need no conversion."""
    if colours == wanted:
        return True
    return colours.hdr is None and wanted == Colours() and changes_nothing(colours.profile)


def converted(frame: Image.Image, colours: Colours, wanted: Colours) -> Frame:
    """The frame in the wanted colours: mode L, RGB or RGBA of 8 bits, or I;16 or a DeepFrame where it has 16 bits.

    frame: as its format's reader or Pillow gives it.  A frame of 8 bits keeps 8 bits.
    """
    if colours.hdr and wanted.hdr is None:
        has_16_bits = is_deep(frame)
        pixels = _pixels(frame if has_16_bits else plain_mode(frame))
        mapped = deep_frame(tone_mapped(pixels, colours.hdr, is_p3=wanted.profile == P3))
        return mapped if has_16_bits else shallow(mapped)
    if not is_deep(frame):
        return to_profile(frame, colours.profile, wanted.profile)
    if is_same(colours, wanted):
        return frame
    return deep_frame(_through_lcms(_pixels(frame), colours.profile, wanted.profile))


def deep_grey(image: Image.Image) -> Image.Image:
    """Grey of Pillow with more than 8 bits as I;16; any other image as it is."""
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray(np.asarray(image).clip(0, MOST).astype(np.uint16))


def _pixels(frame: Frame) -> DeepPixels:
    """The pixels as 16 bits: (H, W, 1), (H, W, 3) or (H, W, 4)."""
    pixels = frame.pixels if isinstance(frame, DeepFrame) else np.asarray(frame)
    if pixels.dtype != np.uint16:
        pixels = pixels.astype(np.uint16) * STEPS_OF_8_BITS
    return np.atleast_3d(pixels)


def _through_lcms(pixels: DeepPixels, profile: bytes | None, wanted: bytes | None) -> DeepPixels:
    """The pixels from one profile to the other; None is sRGB.  Alpha stays."""
    import imagecodecs  # noqa: PLC0415  few pictures need it

    is_grey = pixels.shape[2] == 1
    source, target = profile or _srgb(is_grey=is_grey), (None if is_grey else wanted) or _srgb(is_grey=is_grey)
    space = SPACES[pixels.shape[2]]
    # lcms would interpolate between a few levels of grey.
    flags = imagecodecs.CMS.FLAGS.NOOPTIMIZE if is_grey else imagecodecs.CMS.FLAGS.COPY_ALPHA
    result = np.empty_like(pixels)
    for rows in bands(*pixels.shape[:2]):
        band = np.ascontiguousarray(pixels[rows])
        done = imagecodecs.cms_transform(
            band[..., 0] if is_grey else band,
            source,
            target,
            colorspace=space,
            outcolorspace=space,
            intent=imagecodecs.CMS.INTENT.PERCEPTUAL,
            flags=flags,
        )
        result[rows] = done.reshape(band.shape)
    return result


@lru_cache(maxsize=2)
def _srgb(*, is_grey: bool) -> bytes:
    import imagecodecs  # noqa: PLC0415

    return grey_profile("sRGB grey", SRGB_CURVE) if is_grey else bytes(imagecodecs.cms_profile("srgb"))
