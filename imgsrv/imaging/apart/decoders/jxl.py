"""JPEG XL by libjxl: what a file holds, and its frames as pixels."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from imgsrv.imaging.apart.decoders.libjxl import (
    BLACK,
    D65,
    GREY,
    HLG,
    PQ,
    RGB,
    SRGB_CURVE,
    SRGB_PRIMARIES,
    Encoding,
    Event,
    JxlDecoder,
    PixelFormat,
    Sample,
    library,
    opened,
)
from imgsrv.imaging.apart.tasks import Decoded, Decoder, Order

MOST_FRAMES = 6_000
"""Durations that are told."""

MOST_PROFILE = 4 << 20
"""Bytes of a profile that is used; one of CMYK has up to 3 MB."""

CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 3, "I;16": 1, "RGB;16": 3, "RGBA;16": 4}

TINY = bytes.fromhex("ff0a00101008")
"""The beginning of a file."""


def prepare() -> Decoder:
    """Make the decoder ready."""
    if library() is not None:
        with suppress(ValueError), opened(TINY, Event.BASIC_INFO) as decoder:
            decoder.next()
    return decode


def decode(data: bytes, order: Order) -> Decoded:
    """The facts of a file, or frames of it one below the other.

    order: mode and size; facts: only facts are wanted, and the size is that of one pixel; first: the number of the
    first frame; count: how many frames there are in the size.
    """
    return _facts(data) if order["facts"] else _frames(data, order)


# ---- facts ---------------------------------------------------------------------------------------------


def _facts(data: bytes) -> Decoded:
    """The colours of the pixels, and the frames of an animation.

    The facts are size; bits of a channel, 32 for float; colours, 1 or 3; has_alpha and has_black; cicp: primaries and
    transfer where they tell more than a profile; durations in ms, none for a still picture; plays, 0 for ever.
    """
    facts: dict[str, Any] = {}
    profile = b""
    with opened(data, Event.BASIC_INFO | Event.COLOURS | Event.FRAME) as decoder:
        while True:
            try:
                event = decoder.next()
            except ValueError:
                # An animation that is cut off has the frames so far.
                if not facts.get("durations"):
                    raise
                break
            if event == Event.BASIC_INFO:
                facts |= _basic(decoder)
            elif event == Event.COLOURS:
                profile = _colours(decoder, facts)
            elif event == Event.FRAME and facts["ticks"] and len(facts["durations"]) < MOST_FRAMES:
                facts["durations"].append(round(decoder.duration() * facts["ticks"], 3))
            else:
                break
    return Decoded(b"\0", facts, profile)


def _basic(decoder: JxlDecoder) -> dict[str, Any]:
    info = decoder.basic_info()
    kinds = decoder.extra_kinds(info.extras)
    return {
        "size": (info.width, info.height),
        "bits": 32 if info.exponent_bits else info.bits,
        "colours": info.colours,
        "has_alpha": bool(info.alpha_bits),
        "has_black": BLACK in kinds,
        "plays": info.plays,
        "ticks": 1000 * info.per / info.ticks if info.has_animation and info.ticks else 0,
        "durations": [],
    }


def _colours(decoder: JxlDecoder, facts: dict[str, Any]) -> bytes:
    """The profile of the pixels, none for sRGB.  Code points go to the facts."""
    found = decoder.encoding()
    if found is not None and _is_srgb(found):
        return b""
    if found is not None and found.transfer in (PQ, HLG) and found.space == RGB:
        # The white is D65 in all that H.273 names so.
        facts["cicp"] = (found.primaries, found.transfer)
        return b""
    return decoder.profile(MOST_PROFILE)


def _is_srgb(found: Encoding) -> bool:
    if found.transfer != SRGB_CURVE or found.white != D65:
        return False
    return bool(found.space == GREY or (found.space == RGB and found.primaries == SRGB_PRIMARIES))


# ---- pixels --------------------------------------------------------------------------------------------


def _frames(data: bytes, order: Order) -> Decoded:
    """The frames, one below the other."""
    (width, rows), mode = order["size"], order["mode"]
    height, is_deep = rows // order["count"], mode.endswith(";16")
    out = np.empty((rows, width, CHANNELS[mode]), np.uint16 if is_deep else np.uint8)
    layout = PixelFormat(CHANNELS[mode], Sample.UINT16 if is_deep else Sample.UINT8, 0, 0)
    black = np.empty((rows, width), np.uint8) if mode == "CMYK" else None
    done, top = 0, 0
    with opened(data, Event.BASIC_INFO | Event.FULL_IMAGE) as decoder:
        while done < order["count"]:
            event = decoder.next()
            if event == Event.BASIC_INFO:
                info = decoder.basic_info()
                if (info.width, info.height) != (width, height):
                    raise ValueError("its pixels are of another size than its header says")
                kinds = decoder.extra_kinds(info.extras)
                decoder.skip(order["first"])
            elif event == Event.NEED_IMAGE_OUT_BUFFER:
                top = done * height
                decoder.decode_into(out[top : top + height].data.cast("B"), layout)
                if black is not None:
                    of_black = PixelFormat(1, Sample.UINT8, 0, 0)
                    decoder.decode_extra_into(black[top : top + height].data.cast("B"), of_black, kinds.index(BLACK))
            elif event == Event.FULL_IMAGE:
                done += 1
            elif event == Event.SUCCESS:
                raise ValueError("it has fewer frames than it says")
    if black is not None:
        # No ink is the largest number in the file.
        out = 255 - np.dstack([out, black])
    return Decoded(out.data.cast("B"))
