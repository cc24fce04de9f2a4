"""A job: what a front asks of an engine in plain bytes, and what the engine answers.

The two may be different processes, so everything is spelled out: the pipeline as its canonical text, the output
as its parameters, errors by their code and facts.
"""

from __future__ import annotations

import io
import json
import mmap
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

from imgsrv.errors import ImgsrvError, UnsupportedFormat, from_wire
from imgsrv.imaging.codecs.auto_format import Offers
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.codecs.sniff import SNIFF_BYTES, sniff
from imgsrv.imaging.info import describe_picture
from imgsrv.imaging.model.limits import Data, Limits
from imgsrv.imaging.pipelines.pipeline import Pipeline, parse_pipeline
from imgsrv.imaging.pixels.malloc import hand_back
from imgsrv.imaging.process import Report, process_into
from imgsrv.jobs.archive import ARCHIVES
from imgsrv.jobs.batch import BatchReport, process_batch
from imgsrv.jobs.variants import Variant

Place = tuple[int, int]
"""Start and size in the body, in bytes."""


@dataclass(frozen=True, slots=True)
class Job:
    """start, size: where the picture lies in the body.  pipeline None asks for a description instead.

    request_id: whose job it is, for the log of an engine that fails on it.  parts: where the further parts of the
    upload lie, by their names.  include: what the description has beside the facts of the header.  variants: what a
    batch makes instead of one result, and archive: a key of ARCHIVES, into what.  offers: what `format=auto` may be.
    """

    start: int
    size: int
    pipeline: Pipeline | None
    output: Output
    request_id: str = ""
    parts: Mapping[str, Place] = field(default_factory=dict)
    include: tuple[str, ...] = ()
    variants: tuple[Variant, ...] = ()
    archive: str = "multipart"
    offers: Offers = ()

    @property
    def end(self) -> int:
        """Where the last of its bytes lies in the body."""
        return max(start + size for start, size in ((self.start, self.size), *self.parts.values()))

    def to_bytes(self) -> bytes:
        """The job as the engine reads it."""
        wire = {
            "request_id": self.request_id,
            "start": self.start,
            "size": self.size,
            "pipeline": None if self.pipeline is None else str(self.pipeline),
            "output": _wire_output(self.output),
            "parts": dict(self.parts),
            "include": self.include,
            "variants": [(one.name, str(one.pipeline), _wire_output(one.output)) for one in self.variants],
            "archive": self.archive,
            "offers": self.offers,
        }
        return json.dumps(wire).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Job:
        """The job that `to_bytes` wrote."""
        wire = json.loads(data)
        pipeline = None if wire["pipeline"] is None else _read_pipeline(wire["pipeline"])
        output = Output.model_validate(wire["output"])
        parts = {name: (start, size) for name, (start, size) in wire["parts"].items()}
        include = tuple(wire["include"])
        variants = tuple(
            Variant(name, parse_pipeline(text), Output.model_validate(given)) for name, text, given in wire["variants"]
        )
        offers = tuple((name, quality) for name, quality in wire["offers"])
        of_all = wire["archive"], offers
        return cls(wire["start"], wire["size"], pipeline, output, wire["request_id"], parts, include, variants, *of_all)


@dataclass(frozen=True, slots=True)
class Answer:
    """What an engine says: a report beside the result or the batch, or the description that was asked for."""

    report: Report | None = None
    batch: BatchReport | None = None
    info: dict[str, Any] | None = None


KEPT_PIPELINES = 256
"""Whose meaning an engine remembers: most clients ask for the same few."""

_read_pipeline = lru_cache(KEPT_PIPELINES)(parse_pipeline)

NO_RESULT = memoryview(b"")


def perform(body: int, plan: bytes, limits: Limits) -> tuple[bytes, memoryview]:
    """Do the job that `plan` describes on the file `body`: the message for the front, and the result.

    Raises OSError or MemoryError where there is no descriptor or no memory left for it.
    """
    job = Job.from_bytes(plan)
    # Only as far as the picture goes: behind it lies the plan, which a decoder must not take for pixels.
    with mmap.mmap(body, job.end, prot=mmap.PROT_READ) as mapping:
        try:
            data = _picture_bytes(mapping, job)
            parts = {name: mapping[start : start + size] for name, (start, size) in job.parts.items()}
            if job.variants:
                return _batched(data, job, limits, parts)
            if job.pipeline is None:
                return _message({"info": describe_picture(data, limits, job.include)}), NO_RESULT
            return _processed(data, job.pipeline, job, limits, parts)
        except ImgsrvError as error:
            return _message({"error": error.to_wire()}), NO_RESULT


def read_answer(message: bytes) -> Answer:
    """What `perform` said.  Raises the error that it met."""
    wire = json.loads(message)
    if "error" in wire:
        raise from_wire(wire["error"])
    if "batch" in wire:
        return Answer(batch=BatchReport(**wire["batch"]))
    if "info" in wire:
        return Answer(info=wire["info"])
    return Answer(Report(**{**wire["report"], "size": tuple(wire["report"]["size"])}))


def plan_facts(plan: bytes, message: bytes = b"") -> dict[str, Any]:
    """What of a plan and of the answer to it is for a log: whose job it is, what it asks for, the milliseconds.

    Of a plan that cannot be read, its text.
    """
    try:
        wire = json.loads(plan)
        said = json.loads(message) if message else {}
        facts = {
            "request_id": wire["request_id"],
            "pipeline": _asked(wire),
            "output": wire["output"],
            "input_bytes": wire["size"],
        }
    except (ValueError, KeyError, TypeError):
        return {"plan": plan.decode(errors="replace")}
    report = said.get("report") or said.get("batch") or {}
    stages = ("decode", "operations", "encode")
    return {**facts, **{f"{name}_ms": round(report[f"{name}_s"] * 1000, 1) for name in stages if report}}


def input_place(body: int, plan: bytes) -> tuple[str, int, int]:
    """The format of a plan's picture by its first bytes, and where it lies in the body: start and size.

    Raises ValueError or KeyError for a plan that cannot be read.
    """
    wire = json.loads(plan)
    start, size = int(wire["start"]), int(wire["size"])
    try:
        found = sniff(os.pread(body, min(size, SNIFF_BYTES), start))
    except UnsupportedFormat as error:
        found = error.found
    return found, start, size


def _asked(wire: dict[str, Any]) -> str:
    """The pipeline's text, and of what has none what it is."""
    if wire["variants"]:
        return " + ".join(text for _name, text, _output in wire["variants"])
    return "info" if wire["pipeline"] is None else str(wire["pipeline"])


def _picture_bytes(mapping: mmap.mmap, job: Job) -> Data:
    """The mapping itself where the picture begins it, which spares a copy; else the picture's bytes."""
    return mapping if job.start == 0 else mapping[job.start : job.start + job.size]


def _processed(
    data: Data, pipeline: Pipeline, job: Job, limits: Limits, parts: Mapping[str, Data]
) -> tuple[bytes, memoryview]:
    file = io.BytesIO()
    report = process_into(file, data, pipeline, job.output, limits, parts, offers=job.offers)
    hand_back(report.pixels)
    return _message({"report": asdict(report)}), file.getbuffer()


def _batched(data: Data, job: Job, limits: Limits, parts: Mapping[str, Data]) -> tuple[bytes, memoryview]:
    archive = ARCHIVES[job.archive]()
    report = process_batch(archive, data, job.variants, limits, parts, offers=job.offers)
    hand_back(report.pixels)
    return _message({"batch": asdict(report)}), archive.finish()


def _wire_output(output: Output) -> dict[str, Any]:
    return output.model_dump(mode="json", exclude_defaults=True)


def _message(wire: dict[str, Any]) -> bytes:
    # A reply has its bounds, and texts in other scripts are twice as long where they are escaped.
    return json.dumps(wire, ensure_ascii=False).encode(errors="replace")
