"""Cost: how many seconds of one core, and how many bytes, a job will take, from its header, pipeline and output.

Sizes are followed step by step.  Nothing is decoded.  The weights stand in imgsrv/imaging/model/weights.json.  An
estimate errs on the dear side: the pixels are not known, and what a small file holds may be noise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from imgsrv.errors import ImgsrvError, JobTooDear, JobTooLarge
from imgsrv.imaging.codecs.auto_format import EVERYWHERE, Offers, worth_their_time
from imgsrv.imaging.codecs.decode import DecodePlan, Header
from imgsrv.imaging.codecs.gain_map import gain_map_size
from imgsrv.imaging.codecs.header_check import Checked
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.codecs.placeholders import PLACEHOLDERS, holds_frames
from imgsrv.imaging.colour.convert import is_same, wanted_colours
from imgsrv.imaging.formats import FORMATS, WRITTEN, written_as
from imgsrv.imaging.formats.format import Format
from imgsrv.imaging.model.limits import Data, Limits, Size
from imgsrv.imaging.model.weights import PALETTE_SHARE, Weights, blended, weights
from imgsrv.imaging.operations.registry import pixels
from imgsrv.imaging.pipelines.decode_plan import (
    is_chosen,
    native_eighths,
    offers_for,
    plan_measures,
    plan_result,
    plan_results,
    result_format,
)
from imgsrv.imaging.pipelines.drawing import on_drawing
from imgsrv.imaging.pipelines.facts import Facts, facts_of
from imgsrv.imaging.pipelines.gain_map_cost import to_change, to_decode, to_encode
from imgsrv.imaging.pipelines.pipeline import Pipeline, Step

Result = tuple[Output, Pipeline]
"""Results of a picture."""

JOB_S, DRAWING_S = 0.0005, 0.06
"""Seconds that every job takes, and that the process of a drawing takes beside its pixels."""

BUSY = 1.3
"""How many times as long a machine takes whose other cores work too; weights are measured on an idle one."""

COMPOSED_FRAMES = 2
"""Most frames that are held while a later one is composed: the canvas, and what it was before."""

GUESSED_BITS = 1.0
"""Bits of the file for a pixel of a picture that no header check opens."""

SCALED_SHARE = 0.4
"""The part of a JPEG's decoding time that a smaller scale does not save: the entropy decoder."""

NATIVE_SHARES = {1: 0.5, 2: 0.6, 3: 0.65, 4: 0.7}
"""The time that imgsrv's own JPEG decoder takes of Pillow's, by eighths of the size: the most of seven photographs.

The mean is 0.42 at 1/8, 0.50 at 1/4 and 0.57 at 1/2.
"""

SEARCHES = 8
"""Most files that a search for the quality encodes."""

BEST_QUALITY = 90
"""From this quality on the time at quality 100 counts."""

DEEP = 4.0
"""How many times as long operations take on 16 bits: 2 or less for most that take long, 3.5 for `lut`, up to 6 for
`denoise` and for quick ones."""

OPERATION_COPIES = 3
"""Most copies of a frame that an operation holds, those before and after it included."""

TONE_MAP_NS, DEEP_COLOURS_NS = 225.0, 115.0
"""Nanoseconds for each pixel to bring high dynamic range down, and to convert the colours of 16 bits a channel."""

MEASURE_NS = 40.0
"""Nanoseconds for each pixel of all measures of a description together."""


KEPT_ESTIMATES = 512
"""Estimates that are kept, about 1 KB each: most clients ask the same of pictures of a few sizes."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The seconds of each part of a job, by its name, in order; and the most bytes, with the part that needs them.

    result: bytes of all results together.
    """

    parts: tuple[tuple[str, float], ...]
    memory: float = 0.0
    largest: str = ""
    result: float = 0.0

    @property
    def seconds(self) -> float:
        """The seconds of all parts together."""
        return JOB_S + sum(seconds for _name, seconds in self.parts)

    def check(self, limits: Limits) -> None:
        """Raise JobTooDear or JobTooLarge for a job beyond the limits."""
        if self.seconds > limits.max_job_cost_s:
            raise JobTooDear(self.seconds, limits.max_job_cost_s, self._summed())
        if self.memory > limits.max_job_memory:
            raise JobTooLarge(math.ceil(self.memory), round(limits.max_job_memory), self.largest)

    def _summed(self) -> list[list[Any]]:
        """The parts with equal names together, such as `text (×32)`."""
        found: dict[str, list[float]] = {}
        for name, seconds in self.parts:
            found.setdefault(name, []).append(seconds)
        return [
            [name if len(times) == 1 else f"{name} (×{len(times)})", round(sum(times), 3)]
            for name, times in found.items()
        ]


def check_job(
    header: Header,
    data: Data,
    results: Sequence[Result],
    limits: Limits,
    parts: Mapping[str, Data],
    offers: Offers = (),
) -> None:
    """Raise JobTooDear or JobTooLarge for a picture of which more is asked than the limits allow."""
    if limits.max_job_cost_s < math.inf or limits.max_job_memory < math.inf:
        facts = facts_of(header, len(data), limits, data, parts)
        if any(output.hdr == "keep" for output, _pipeline in results):
            facts = replace(facts, gain_map=gain_map_size(header, limits))
        estimate(facts, results, limits, offers).check(limits)


def estimate(facts: Facts, results: Sequence[Result], limits: Limits, offers: Offers = ()) -> Estimate:
    """The estimate for all results of one picture, which is decoded once.

    A step that cannot be done ends the estimate of its result, because the job will end there.  Files whose detail
    differs by less than DETAIL_STEP have the same estimate.
    """
    return _estimate(facts.rounded, tuple(results), limits, tuple(offers), weights())


@lru_cache(maxsize=KEPT_ESTIMATES)
def _estimate(facts: Facts, results: Sequence[Result], limits: Limits, offers: Offers, _weights: Weights) -> Estimate:
    """The estimate with these weights, which are those in use."""
    tally = _Tally()
    if facts.form.is_vector:
        _drawings(tally, facts, results, limits, offers)
        return tally.estimate()
    plan = plan_results(facts, results)
    eighths = native_eighths(facts, results)
    frames, size = _decoding(tally, facts, plan, limits, NATIVE_SHARES[eighths] if eighths else 1.0)
    if facts.form.reads_parts and any(output.broken == "accept" for output, _pipeline in results):
        # A broken picture is read until it fails, and then again.
        _decoding(tally, facts, plan, limits)
    if facts.gain_map and plan.has_gain_map:
        nanoseconds, memory = to_decode(facts.form, facts.gain_map)
        tally.add("gain map", nanoseconds, memory + frames * pixels(size) * facts.pixel_bytes(has_alpha=False))
    for output, pipeline in results:
        known = replace(facts, bit_depth=8) if facts.is_deep and not plan.is_deep else facts
        known = replace(known, gain_map=None) if known.gain_map and output.hdr != "keep" else known
        _result(tally, known, pipeline, output, (size, frames), limits, offers)
    return tally.estimate()


def estimate_measures(facts: Facts, *, is_full: bool, is_measured: bool) -> Estimate:
    """The estimate for a description.  is_measured: pixels are looked at; is_full: at full size."""
    tally = _Tally()
    if is_measured:
        _decoding(tally, facts, plan_measures(facts, is_full=is_full), Limits())
        tally.add("measures", (pixels(facts.size) if is_full else 0) * MEASURE_NS)
    return tally.estimate()


class _Tally:
    """Adds the parts up while the estimate goes through a job."""

    def __init__(self) -> None:
        self._parts: list[tuple[str, float]] = []
        self._memory, self._largest = 0.0, ""
        self._result = 0.0

    def add(self, name: str, nanoseconds: float, memory: float = 0.0) -> None:
        """Add a part.  memory: bytes that are held during it."""
        self._parts.append((name, BUSY * nanoseconds * 1e-9))
        if memory > self._memory:
            self._memory, self._largest = memory, name

    def add_result(self, size: float) -> None:
        """Add the bytes of a result."""
        self._result += size

    def estimate(self) -> Estimate:
        """The sum."""
        return Estimate(tuple(self._parts), self._memory, self._largest, self._result)


def _decoding(tally: _Tally, facts: Facts, plan: DecodePlan, limits: Limits, part: float = 1.0) -> tuple[int, Size]:
    """Add the decoding; the number of frames and their size after it.  part: of the usual time."""
    form, size, area = facts.form, facts.size, float(pixels(facts.size))
    frames = facts.frames if plan.all_frames and form.reads_animation else 1
    nanoseconds = part * weights().decoder(form.name, facts.detail)
    if form.is_vector:
        size = limits.fitting(plan.drawn or facts.size)
        area = float(pixels(size))
        tally.add("drawing", DRAWING_S * 1e9)
    share = 1.0
    if plan.scale > 1:
        share = SCALED_SHARE + (1 - SCALED_SHARE) / plan.scale**2
        size = max(1, size[0] // plan.scale), max(1, size[1] // plan.scale)
    held = frames + min(facts.before, COMPOSED_FRAMES)
    memory = form.decode_bytes + held * area * max(share, form.full_decodes > 0) * form.decode_bytes_per_pixel
    tally.add("decode", (frames + facts.before) * area * (share + form.full_decodes) * nanoseconds, memory)
    if converting := _colours_ns(facts, plan):
        tally.add("colours", (frames + facts.before) * pixels(size) * converting)
    return frames, size


def _colours_ns(facts: Facts, plan: DecodePlan) -> float:
    """The nanoseconds for each pixel to convert its colours; the decoders' times contain those of 8 bits."""
    wanted = wanted_colours(facts.colours, "RGB", plan.icc)
    if facts.colours.hdr and not wanted.hdr:
        return TONE_MAP_NS
    return DEEP_COLOURS_NS if facts.is_deep and not is_same(facts.colours, wanted) else 0.0


def _drawings(tally: _Tally, facts: Facts, results: Sequence[Result], limits: Limits, offers: Offers) -> None:
    """Add every result of a drawing, which is drawn anew where a result wants another size than the one before."""
    last: DecodePlan | None = None
    for output, pipeline in results:
        plan = plan_result(facts, output, pipeline)
        if plan != last:
            frames, size = _decoding(tally, facts, plan, limits)
            last = plan
        _result(tally, facts, on_drawing(facts.form, pipeline), output, (size, frames), limits, offers)


def _result(
    tally: _Tally,
    facts: Facts,
    pipeline: Pipeline,
    output: Output,
    decoded: tuple[Size, int],
    limits: Limits,
    offers: Offers,
) -> None:
    (small, frames), has_alpha = decoded, facts.has_alpha and facts.form.has_alpha
    size = small if facts.form.is_vector else facts.size
    held = frames * pixels(small) * facts.pixel_bytes(has_alpha=has_alpha)
    for number, step in enumerate(pipeline.steps):
        try:
            after = step.result_size(size)
        except ImgsrvError:
            return
        if not limits.allows(pixels(after) * frames):
            return
        # Only a step that can work on a smaller picture gets one, and only the first.
        before = small if number == 0 and step.may_be_reduced else size
        has_alpha = has_alpha or step.operation.adds_alpha(step.arguments)
        work = step.operation.work(before, after, step.arguments)
        each_pixel = facts.pixel_bytes(has_alpha=has_alpha)
        larger = max(pixels(before), pixels(after)) * each_pixel
        each = work * (DEEP if facts.is_deep else 1) * weights().operation(step.operation.name, has_alpha=has_alpha)
        part_ns, part_bytes = _part(facts, step, before)
        if facts.gain_map:
            part_ns, part_bytes = to_change(each, before, after, facts.gain_map)
        tally.add(
            step.operation.name,
            frames * each + part_ns,
            held + frames * pixels(after) * each_pixel + (OPERATION_COPIES - 1) * larger + part_bytes,
        )
        size, held = after, frames * pixels(after) * each_pixel
    _encoding(tally, facts, output, (size, frames), offers, has_alpha=has_alpha)


def _part(facts: Facts, step: Step, before: Size) -> tuple[float, float]:
    """The time to read the further part that the step needs, and the memory to read it and to hold it as RGBA."""
    part = facts.parts.get(step.part) if step.part is not None else None
    if isinstance(part, Facts):
        # A second drawing is drawn no larger than the picture over which it is laid.
        area = pixels(before if part.form.is_vector else part.size)
        memory = part.form.decode_bytes + area * (part.form.decode_bytes_per_pixel + 4)
        return area * weights().decoder(part.format, part.detail), memory
    return (part or 0) * weights().part_byte, 0


def _encoding(
    tally: _Tally, facts: Facts, output: Output, result: tuple[Size, int], offers: Offers, *, has_alpha: bool
) -> None:
    (width, height), frames = result
    if result_format(facts, output) in PLACEHOLDERS:
        tally.add("encode", width * height)
        return
    slowest = most = largest = 0.0
    for name in _formats(facts, output, offers, width * height * frames):
        form = WRITTEN[name]
        area = float(width * height * (frames if holds_frames(name) else 1))
        each_pixel = facts.pixel_bytes(has_alpha=has_alpha and form.has_alpha)
        slowest = max(slowest, area * sum(_encoder_ns(facts, form, output, each_pixel)))
        if facts.gain_map and form.save_with_gain_map:
            share = pixels(facts.gain_map) / pixels(facts.size)
            tally.add("gain map", *to_encode(form, (width, height), share, sum(_encoder_ns(facts, form, output, 3))))
        most = max(most, area * (form.bytes_to_encode(output.effort, is_deep=facts.is_deep) + each_pixel))
        largest = max(largest, area * form.result_bytes_per_pixel)
    tally.add("encode", slowest, most)
    tally.add_result(largest)


def _formats(facts: Facts, output: Output, offers: Offers, result_pixels: int) -> Sequence[str]:
    """The formats in which the result may be written."""
    if not is_chosen(facts, output):
        name = result_format(facts, output)
        return (name,) if name in WRITTEN else ()
    offered = tuple(offer for offer in offers_for(output, offers) if offer[0] in WRITTEN)
    if not offered:
        return [written_as(facts.format), *(name for name, _preference in EVERYWHERE)]
    return [name for name, _preference in worth_their_time(offered, result_pixels)]


def _encoder_ns(facts: Facts, form: Format, output: Output, pixel_bytes: int) -> Iterator[float]:
    """The nanoseconds for each pixel of everything that the encoder does."""
    table, detail = weights(), facts.detail
    once = (
        pixel_bytes
        / 3
        * table.encoder(form.name).ns(
            detail,
            effort=output.effort,
            is_lossless=output.lossless,
            is_best=output.quality_in(form) > BEST_QUALITY or output.target is not None,
            is_progressive=output.progressive,
        )
    )
    if output.colours is not None and "colours" in form.fields:
        once += blended(table.palette, detail, PALETTE_SHARE)
    yield once
    if "quality" in form.fields and not output.lossless:
        if output.target is not None:
            yield SEARCHES * (once + table.likeness + table.decoder(form.name, detail)) - once
        if output.max_bytes is not None:
            yield SEARCHES * once


def glanced(checked: Checked, file_bytes: int, limits: Limits | None = None) -> Facts:
    """The facts that a header check has found; a size that it does not know is guessed from the bytes of the file."""
    size = checked.size
    if size is None:
        side = max(1, math.isqrt(round((limits or Limits()).allowed(8 * file_bytes / GUESSED_BITS))))
        size = side, side
    form = FORMATS[checked.format]
    return Facts(form, size, checked.frames, file_bytes, {}, checked.may_have_alpha, checked.bit_depth)
