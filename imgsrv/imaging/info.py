"""What a picture is, as `POST /info` answers: from the header, without decoding a pixel unless a measure needs them."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from imgsrv.errors import InvalidParameter, RepeatedParameter, joined
from imgsrv.foreign_advice import value_advice
from imgsrv.imaging.analysis.measures import AT_FULL_SIZE, MEASURES
from imgsrv.imaging.codecs.bit_depth import bit_depth_of
from imgsrv.imaging.codecs.decode import Header, decode, read_header
from imgsrv.imaging.codecs.frame_durations import read_durations
from imgsrv.imaging.codecs.gain_map import gain_map_size
from imgsrv.imaging.codecs.stored_frames import read_plays, shows_canvas
from imgsrv.imaging.codecs.what_is_there import as_far_as_it_goes
from imgsrv.imaging.metadata.summary import exif_summary, iptc_summary, profile_name, read_place, xmp_summary
from imgsrv.imaging.model.broken import broken_is_ours
from imgsrv.imaging.model.limits import Data, Limits
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.model.picture_facts import PictureFacts
from imgsrv.imaging.model.pillow_limit import pillow_limit_lifted
from imgsrv.imaging.pipelines.cost import Estimate, estimate_measures
from imgsrv.imaging.pipelines.decode_plan import plan_measures
from imgsrv.imaging.pipelines.facts import Facts, facts_of
from imgsrv.wording import closest

OWNER = "info"

PLACE, ALL = "gps", "all"
"""Where the picture was taken, which is told only to who names it; every measure, but not that and not BROKEN."""

BROKEN = "broken"
"""Whether the first frame is cut off or damaged, for which it has to be decoded."""

DECODED = frozenset((*MEASURES, BROKEN))
"""Names that need the pixels."""

INCLUDES = (*MEASURES, PLACE, BROKEN, ALL)
"""Names that `include` may give."""


def parse_include(text: str) -> tuple[str, ...]:
    """The names that are given between commas, `all` spelled out, in the order of the table.

    Raises InvalidParameter for another name and RepeatedParameter for one given twice.
    """
    names = text.split(",")
    for name in names:
        if name not in INCLUDES:
            allowed = joined(list(INCLUDES)).replace(" and ", " or ")
            advice = value_advice("include", name)
            raise InvalidParameter(OWNER, "include", name, allowed, closest(name, INCLUDES), advice)
        if names.count(name) > 1:
            raise RepeatedParameter(OWNER, name)
    given = (*MEASURES, PLACE, BROKEN)
    return tuple(name for name in given if name in names or (ALL in names and name in MEASURES))


@pillow_limit_lifted()
def describe_picture(data: Data, limits: Limits, include: Collection[str] = ()) -> PictureFacts:
    """The description, JSON-compatible; width and height are those of the upright picture.

    frames and durations are null where only decoding could tell them.  include: names of MEASURES, PLACE and BROKEN.
    With BROKEN, measures are those of the part that is there.  Raises what `read_header` raises, and what `decode`
    raises where a measure is included.
    """
    read = partial(_described, limits=limits, include=include)
    if BROKEN not in include:
        return read(data)
    facts, facts["broken"] = as_far_as_it_goes(data, "accept", read)
    return facts


def _described(data: Data, limits: Limits, include: Collection[str]) -> PictureFacts:
    header = read_header(data, limits)
    image = header.image
    durations = read_durations(header.form, header.frames, data, limits)
    with broken_is_ours(header.format):
        facts: PictureFacts = {
            "format": header.format,
            "media_type": header.form.media_type,
            "width": header.size[0],
            "height": header.size[1],
            "mode": image.mode,
            "bit_depth": bit_depth_of(header, data),
            "has_alpha": image.mode in ("RGBA", "LA", "PA", "La", "RGBa")
            or "transparency" in image.info
            or shows_canvas(header.form, image, data, limits),
            "frames": _frames(header, durations),
            "durations": None if durations is None else list(durations),
            "plays": read_plays(header.form, image, data) if durations else None,
            "orientation": header.orientation,
            "profile": profile_name(image.info.get("icc_profile")),
            "exif": exif_summary(header.form, image),
            "iptc": iptc_summary(image),
            "xmp": xmp_summary(image),
            "gain_map": gain_map_size(header, limits) is not None,
        }
        if PLACE in include:
            facts["gps"] = read_place(header.form, image)
    if asked := DECODED.intersection(include):
        measures_estimate(facts_of(header, len(data), limits), include).check(limits)
        frame = _seen(header, limits, is_full=not AT_FULL_SIZE.isdisjoint(asked))
        for name in (name for name in MEASURES if name in asked):
            facts[name] = MEASURES[name](frame)  # type: ignore[literal-required]  # the table has the names
    return facts


def measures_estimate(facts: Facts, include: Collection[str]) -> Estimate:
    """The cost of a description.  include: as for `describe_picture`."""
    asked = DECODED.intersection(include)
    return estimate_measures(facts, is_full=not AT_FULL_SIZE.isdisjoint(asked), is_measured=bool(asked))


def _frames(header: Header, durations: tuple[int, ...] | None) -> int | None:
    if header.form.count_pages:
        return header.form.count_pages(header.image)
    if durations is None and not header.form.counts_frames:
        return None
    # The header of an animated PNG may announce frames that are not there.
    frames = 1 if header.form.split and durations is not None else header.frames
    return len(durations) if durations else frames


def _seen(header: Header, limits: Limits, *, is_full: bool) -> Frame:
    """The first frame; a JPEG at a smaller scale where no measure asks for the full one."""
    return decode(header, plan_measures(header, is_full=is_full), limits).frames[0]
