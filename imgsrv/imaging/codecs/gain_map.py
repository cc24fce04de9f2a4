"""The gain map of a picture, decoded beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from imgsrv.errors import BadPicture, Undecodable
from imgsrv.imaging.codecs.decode import DecodePlan, Header, decode, read_header
from imgsrv.imaging.colour.colours import Colours, colours_of
from imgsrv.imaging.colour.convert import is_same
from imgsrv.imaging.colour.icc import COLOURS, MAX_PROFILE_BYTES, is_usable, srgb_profile
from imgsrv.imaging.model.broken import BROKEN, is_lenient
from imgsrv.imaging.model.gain_map import GainMap, GainTerms, StoredGainMap
from imgsrv.imaging.model.limits import Limits, Size
from imgsrv.imaging.model.picture import Frame, Picture
from imgsrv.imaging.pixels.orientation import upright

MODES = ("L", "RGB")

ADVICE = "hdr=drop leaves it out"


def decode_all(header: Header, plan: DecodePlan, limits: Limits) -> Picture:
    """As `decode`, and with the gain map of the file where the plan has it and the file one.

    Raises Undecodable for one that is broken, unless a broken picture is accepted, and TooManyPixels.
    """
    picture = decode(header, plan, limits)
    return _with_gain_map(picture, header, limits) if plan.has_gain_map and not picture.is_animated else picture


def _with_gain_map(picture: Picture, header: Header, limits: Limits) -> Picture:
    try:
        with _ours(header):
            stored = header.form.read_gain_map(header.data)
            if stored is None:
                return picture
            frame = _decoded(stored, limits)
            terms, profile = _in_colours(stored.terms, frame, picture, header)
    except Undecodable:
        if is_lenient():
            return picture
        raise
    frame = upright(frame, header.orientation)
    frame.info = {}
    share = frame.width / picture.size[0], frame.height / picture.size[1]
    return replace(picture, gain_map=GainMap(frame, terms, share, profile))


def _in_colours(terms: GainTerms, frame: Frame, picture: Picture, header: Header) -> tuple[GainTerms, bytes | None]:
    """The terms, and the profile in whose colours the picture is multiplied where that is not its own.

    Gains of the picture's colours stay in those colours where the picture itself is converted.  One gain for all
    channels is the same in all colours.
    """
    if not terms.is_in_base_colours:
        profile = frame.info.get("icc_profile")
        is_kept = isinstance(profile, bytes) and len(profile) <= MAX_PROFILE_BYTES and is_usable(profile, "RGB")
        if not is_kept:
            raise SyntaxError("it has no profile, although its gains are in colours of their own")
        return terms, profile
    if frame.mode == "L" and len(terms.low) == 1:
        return terms, None
    own = colours_of(header.image.info, header.image.mode)
    is_converted = header.image.mode in COLOURS and not is_same(own, Colours(picture.profile, picture.cicp))
    return (replace(terms, is_in_base_colours=False), own.profile or srgb_profile()) if is_converted else (terms, None)


def gain_map_size(header: Header, limits: Limits) -> Size | None:
    """The size of the gain map, for an estimate; None where there is none that can be read."""
    try:
        with _ours(header):
            stored = header.form.read_gain_map(header.data)
            return read_header(stored.data, limits).size if stored else None
    except BadPicture:
        # The decoder says what is wrong with it.
        return None


def _decoded(stored: StoredGainMap, limits: Limits) -> Frame:
    header = read_header(stored.data, limits)
    if header.image.mode not in MODES:
        raise SyntaxError(f"it has the channels {header.image.mode}")
    frame = header.form.read_pixels(header.image, False) or header.image
    frame.load()
    plain = frame.copy()
    plain.info = {"icc_profile": header.image.info.get("icc_profile")}
    return plain


@contextmanager
def _ours(header: Header) -> Iterator[None]:
    """A block in which whatever is wrong is said of the gain map."""
    try:
        yield
    except Undecodable as error:
        raise Undecodable(header.format, f"its gain map cannot be read: {error.reason}", ADVICE) from error
    except BROKEN as error:
        raise Undecodable(header.format, f"its gain map cannot be read: {error}", ADVICE) from error
