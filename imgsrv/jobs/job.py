"""The three kinds of job: what a front asks of an engine, and what the engine answers, both as plain bytes.

Front and engine may be different processes, so the wire format spells everything out as JSON: pipelines as their
canonical text, outputs as their parameters, errors as their code and facts.  All processes that exchange jobs are
of one version, because each generation of workers has its own exchange.
"""

from __future__ import annotations

import io
import json
import mmap
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from functools import lru_cache
from typing import Any, ClassVar, Generic, TypeVar

from imgsrv.errors import ImgsrvError, from_wire
from imgsrv.imaging.codecs.auto_format import Offers
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.info import describe_picture, measures_estimate
from imgsrv.imaging.memory.malloc import hand_back
from imgsrv.imaging.model.limits import Data, Limits
from imgsrv.imaging.pipelines.cost import Estimate, estimate
from imgsrv.imaging.pipelines.facts import Facts
from imgsrv.imaging.pipelines.pipeline import Pipeline, parse_pipeline
from imgsrv.imaging.process import Report, process_into
from imgsrv.jobs.archive import ARCHIVES, BASE64_BYTES
from imgsrv.jobs.batch import BatchReport, process_batch
from imgsrv.jobs.variants import Variant

Wire = dict[str, Any]
"""JSON-compatible data."""

Place = tuple[int, int]
"""Start and size in the body, in bytes."""

Answer = TypeVar("Answer")

KEPT_PIPELINES = 256
"""Size of the caches of pipelines, outputs and limits, as text and as values; most clients send the same few."""

MAPPED_BYTES = 1 << 18
"""From this size on a body is mapped.  A smaller one is copied: mapping costs five calls and a fault for each page."""

REPORT_FIELDS = tuple(field.name for field in fields(Report))

NO_RESULT = memoryview(b"")


@dataclass(frozen=True, slots=True)
class Input:
    """Where the picture lies in the body, and where the further parts of the upload lie, by their names."""

    start: int
    size: int
    parts: Mapping[str, Place] = field(default_factory=dict)

    @property
    def end(self) -> int:
        """Where the last of these bytes lies in the body."""
        return max(start + size for start, size in ((self.start, self.size), *self.parts.values()))

    def picture(self, mapping: mmap.mmap | bytes) -> Data:
        """The mapping itself where the picture begins it, which saves a copy; else a copy of the picture's bytes."""
        return mapping if self.start == 0 else mapping[self.start : self.start + self.size]

    def further(self, mapping: mmap.mmap | bytes) -> Mapping[str, Data]:
        """The bytes of the further parts, by their names."""
        return {name: mapping[start : start + size] for name, (start, size) in self.parts.items()}

    def to_wire(self) -> list[Any]:
        """The input as JSON-compatible data."""
        return [self.start, self.size, dict(self.parts)]

    @classmethod
    def from_wire(cls, wire: list[Any]) -> Input:
        """The input that `to_wire` described."""
        start, size, parts = wire
        return cls(start, size, {name: (at, length) for name, (at, length) in parts.items()})


class Job(ABC, Generic[Answer]):
    """What the three kinds have in common.  request_id: names the request in the log of an engine that fails on it."""

    kind: ClassVar[str]
    input: Input
    request_id: str

    def to_bytes(self, most_s: float | None = None, most_memory: int | None = None) -> bytes:
        """The job as the engine reads it: its plan.

        most_s, most_memory: the engine refuses a job of more seconds or bytes by its own estimate; None for the limit
        of the server.
        """
        common = {"kind": self.kind, "request_id": self.request_id, "input": self.input.to_wire()}
        return json.dumps({**common, "most_s": most_s, "most_memory": most_memory, **self.to_wire()}).encode()

    @abstractmethod
    def to_wire(self) -> Wire:
        """The fields of this kind of job as JSON-compatible data."""

    @classmethod
    @abstractmethod
    def from_wire(cls, source: Input, request_id: str, wire: Wire) -> Job[Any]:
        """The job that `to_wire` described."""

    @abstractmethod
    def perform(self, data: Data, parts: Mapping[str, Data], limits: Limits) -> tuple[Wire, memoryview]:
        """Do the job: the answer for the front as JSON-compatible data, and the bytes of the result."""

    @abstractmethod
    def estimate(self, facts: Facts, limits: Limits) -> Estimate:
        """The cost of the job, for a picture of which so much is known."""

    @abstractmethod
    def read(self, wire: Wire) -> Answer:
        """The answer that `perform` described."""


@dataclass(frozen=True, slots=True)
class ProcessJob(Job[Report]):
    """Make one result of the picture.  offers: the formats that `format=auto` may choose."""

    kind = "process"
    input: Input
    pipeline: Pipeline
    output: Output
    request_id: str = ""
    offers: Offers = ()

    def to_wire(self) -> Wire:
        """The fields of this kind of job as JSON-compatible data."""
        return {"pipeline": _print(self.pipeline), "output": _print_output(self.output), "offers": self.offers}

    @classmethod
    def from_wire(cls, source: Input, request_id: str, wire: Wire) -> ProcessJob:
        """The job that `to_wire` described."""
        pipeline, output = _read_pipeline(wire["pipeline"]), _read_output(wire["output"])
        return cls(source, pipeline, output, request_id, _offers_from_wire(wire["offers"]))

    def perform(self, data: Data, parts: Mapping[str, Data], limits: Limits) -> tuple[Wire, memoryview]:
        """The report, and the encoded picture."""
        file = io.BytesIO()
        report = process_into(file, data, self.pipeline, self.output, limits, parts, offers=self.offers)
        return {name: getattr(report, name) for name in REPORT_FIELDS}, file.getbuffer()

    def estimate(self, facts: Facts, limits: Limits) -> Estimate:
        """The cost of the result."""
        return estimate(facts, [(self.output, self.pipeline)], limits, self.offers)

    def read(self, wire: Wire) -> Report:
        """The report."""
        return Report(**{**wire, "size": tuple(wire["size"])})


@dataclass(frozen=True, slots=True)
class BatchJob(Job[BatchReport]):
    """Make several results of the picture.  archive: a key of ARCHIVES; the results are put into one of these."""

    kind = "batch"
    input: Input
    variants: tuple[Variant, ...]
    archive: str
    request_id: str = ""
    offers: Offers = ()

    def to_wire(self) -> Wire:
        """The fields of this kind of job as JSON-compatible data."""
        variants = [(one.name, _print(one.pipeline), _print_output(one.output), one.is_width) for one in self.variants]
        return {"variants": variants, "archive": self.archive, "offers": self.offers}

    @classmethod
    def from_wire(cls, source: Input, request_id: str, wire: Wire) -> BatchJob:
        """The job that `to_wire` described."""
        variants = tuple(
            Variant(name, _read_pipeline(text), _read_output(output), is_width)
            for name, text, output, is_width in wire["variants"]
        )
        return cls(source, variants, wire["archive"], request_id, _offers_from_wire(wire["offers"]))

    def perform(self, data: Data, parts: Mapping[str, Data], limits: Limits) -> tuple[Wire, memoryview]:
        """The report, and the archive."""
        archive = ARCHIVES[self.archive]()
        report = process_batch(archive, data, self.variants, limits, parts, offers=self.offers)
        return asdict(report), archive.finish()

    def estimate(self, facts: Facts, limits: Limits) -> Estimate:
        """The cost of all results."""
        found = estimate(facts, [(one.output, one.pipeline) for one in self.variants], limits, self.offers)
        return replace(found, result=found.result * BASE64_BYTES) if self.archive == "json" else found

    def read(self, wire: Wire) -> BatchReport:
        """The report."""
        return BatchReport(**wire)


@dataclass(frozen=True, slots=True)
class DescribeJob(Job[Wire]):
    """Describe the picture.  include: what the description has beside the facts of the header."""

    kind = "describe"
    input: Input
    include: tuple[str, ...] = ()
    request_id: str = ""

    def to_wire(self) -> Wire:
        """The fields of this kind of job as JSON-compatible data."""
        return {"include": self.include}

    @classmethod
    def from_wire(cls, source: Input, request_id: str, wire: Wire) -> DescribeJob:
        """The job that `to_wire` described."""
        return cls(source, tuple(wire["include"]), request_id)

    def perform(self, data: Data, _parts: Mapping[str, Data], limits: Limits) -> tuple[Wire, memoryview]:
        """The description, and no further bytes."""
        return dict(describe_picture(data, limits, self.include)), NO_RESULT

    def estimate(self, facts: Facts, _limits: Limits) -> Estimate:
        """The cost of the measures; a header costs next to nothing."""
        return measures_estimate(facts, self.include)

    def read(self, wire: Wire) -> Wire:
        """The description."""
        return wire


KINDS: Mapping[str, type[Job[Any]]] = {kind.kind: kind for kind in (ProcessJob, BatchJob, DescribeJob)}


def read_job(plan: bytes) -> Job[Any]:
    """The job that `to_bytes` wrote."""
    return _job(json.loads(plan))


def _job(wire: Wire) -> Job[Any]:
    return KINDS[wire["kind"]].from_wire(Input.from_wire(wire["input"]), wire["request_id"], wire)


def perform(body: int, plan: bytes, limits: Limits) -> tuple[bytes, memoryview]:
    """Do the job that `plan` describes on the file `body`: the message for the front, and the result.

    Raises OSError or MemoryError where there is no descriptor or no memory left for it.
    """
    began = time.monotonic()
    try:
        return _performed(body, plan, limits)
    finally:
        # Here no error holds the frames of a job that failed.
        hand_back(time.monotonic() - began)


def _performed(body: int, plan: bytes, limits: Limits) -> tuple[bytes, memoryview]:
    wire = json.loads(plan)
    job = _job(wire)
    limits = _narrowed(limits, wire["most_s"], wire["most_memory"])
    with _opened(body, job.input.end) as content:
        try:
            answer, result = job.perform(job.input.picture(content), job.input.further(content), limits)
        except ImgsrvError as error:
            return _message({"error": error.to_wire()}), NO_RESULT
        return _message({"answer": answer}), result


@lru_cache(KEPT_PIPELINES)
def _narrowed(limits: Limits, most_s: float | None, most_memory: int | None) -> Limits:
    """The limits of a job that its front allows fewer seconds or bytes than the server."""
    seconds = limits.max_job_cost_s if most_s is None else min(most_s, limits.max_job_cost_s)
    memory = limits.max_job_memory if most_memory is None else min(most_memory, limits.max_job_memory)
    return replace(limits, max_job_cost_s=seconds, max_job_memory=memory)


@contextmanager
def _opened(body: int, end: int) -> Iterator[mmap.mmap | bytes]:
    """The first bytes of the file, up to `end`: the plan lies behind, and a decoder must not take it for pixels."""
    if end < MAPPED_BYTES:
        yield os.pread(body, end, 0)
        return
    with mmap.mmap(body, end, prot=mmap.PROT_READ) as mapping:
        yield mapping


def read_answer(job: Job[Answer], message: bytes) -> Answer:
    """The answer to the job in the message of `perform`.  Raises the error that the engine met."""
    wire = json.loads(message)
    if "error" in wire:
        raise from_wire(wire["error"])
    return job.read(wire["answer"])


def _message(wire: Wire) -> bytes:
    # The size of a reply is limited, and escapes double the length of texts in other scripts.
    return json.dumps(wire, ensure_ascii=False).encode(errors="replace")


_read_pipeline = lru_cache(KEPT_PIPELINES)(parse_pipeline)


@lru_cache(KEPT_PIPELINES)
def _print(pipeline: Pipeline) -> str:
    return str(pipeline)


@lru_cache(KEPT_PIPELINES)
def _print_output(output: Output) -> str:
    """The output as JSON: a text leads to what was read from it before."""
    return json.dumps(output.model_dump(mode="json", exclude_defaults=True))


@lru_cache(KEPT_PIPELINES)
def _read_output(text: str) -> Output:
    return Output.model_validate(json.loads(text))


def _offers_from_wire(wire: list[Any]) -> Offers:
    return tuple((name, quality) for name, quality in wire)
