"""What every route of a picture needs: its job is queued, awaited, and its times are reported."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

from falcon.asgi import Request

from imgsrv.errors import ClientGone, JobTimeout, JobTooDear, JobTooLarge, Overloaded, Unavailable
from imgsrv.imaging.codecs.auto_format import Offers
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.process import Report
from imgsrv.jobs.batch import BatchReport
from imgsrv.jobs.job import Answer, Job, ProcessJob, read_answer
from imgsrv.observe.scoreboard import Row
from imgsrv.settings import Settings
from imgsrv.web.accept import offers
from imgsrv.web.access.limits import Limiter
from imgsrv.web.admission import Admission
from imgsrv.web.cache.results import ResultCache
from imgsrv.web.clients import Clients
from imgsrv.web.http.body import Body
from imgsrv.web.line import Lines, Queue, Turn
from imgsrv.web.memory_budget import MemoryBudget
from imgsrv.web.sources.origins import Origins
from imgsrv.web.state import Prediction, RequestState
from imgsrv.web.upload import Upload

DEAR_S = 1.0
"""A job of more predicted seconds is dear: it has a queue of its own and never takes the last engine."""

UNBOOKED_BYTES = 64 << 20
"""An engine does a job of so much memory even if the front has predicted less."""

MOST_RETURNS = 2
"""An engine gives a job back at most so often: once for its seconds, and once for its memory."""

PATIENCE_S = 2.0
"""A dear job waits so long in its front for room in the queue."""


class Exchange(Queue, Protocol):
    """Where jobs go; see imgsrv.pool.worker.exchange."""

    def submit(
        self,
        body: int,
        plan_start: int,
        plan_size: int,
        deadline: float,
        *,
        cost_s: float,
        is_dear: bool,
        is_express: bool,
    ) -> asyncio.Future[tuple[bytes, bytes]]:
        """Queue a job; the future gives the engine's message and the result."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """What the routes need of the rest of the worker."""

    settings: Settings
    limits: Limits
    exchange: Exchange
    admission: Admission
    row: Row
    budget: MemoryBudget
    origins: Origins
    cache: ResultCache
    limiter: Limiter
    clients: Clients
    lines: Lines
    dear_turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def max_body(self) -> int:
        """Bytes that a body may have."""
        return int(self.settings.max_body)

    def offers(self, req: Request, own: str, *outputs: Output) -> Offers:
        """The formats that `format=auto` may choose; none where no output asks for it.  own: the input's format."""
        if all(output.format != "auto" for output in outputs):
            return ()
        preferred = tuple(self.settings.auto_formats.split(","))
        return offers(req.get_header("Accept") or "*/*", own, preferred)

    async def process(self, state: RequestState, job: ProcessJob, upload: Upload) -> tuple[Report, bytes]:
        """As `perform`, for one picture; a JPEG is counted by the way it took."""
        report, result = await self.perform(state, job, upload)
        if report.way:
            self.row.observe_jpeg(report.way, report.refusal)
        return report, result

    async def perform(self, state: RequestState, job: Job[Answer], upload: Upload) -> tuple[Answer, bytes]:
        """Queue the job; gives the engine's answer and the bytes of the result.

        Raises the error that the engine met, WorkerLost, JobKilled, JobTimeout, Overloaded, OutOfResources,
        OutOfMemoryBudget, ClientGone, JobTooDear, JobTooLarge, WorkLimited, LimitsUnavailable.
        """
        prediction = state.prediction = self._possible(upload.prediction or predict(job, upload, self.limits))
        await self.limiter.admit_work(state, prediction.seconds)
        try:
            answer, result = await self._returned(state, job, prediction)
        except Unavailable:
            await self.limiter.settle_work(state, 0.0)
            raise
        if isinstance(answer, Report | BatchReport):
            await self.limiter.settle_work(state, answer.decode_s + answer.operations_s + answer.encode_s)
        return answer, result

    async def _returned(self, state: RequestState, job: Job[Answer], prediction: Prediction) -> tuple[Answer, bytes]:
        """Queue the job, again with a better prediction if an engine gives it back."""
        for _ in range(MOST_RETURNS):
            try:
                return await self._budgeted(state, job, prediction)
            except (JobTooDear, JobTooLarge) as error:
                prediction = state.prediction = self._possible(_raised(prediction, error, self.limits))
        return await self._budgeted(state, job, prediction)

    def _possible(self, prediction: Prediction) -> Prediction:
        """The prediction.  Raises JobTooLarge for a job that never fits beside the workers' own memory."""
        self.budget.check_job(prediction.memory)
        return prediction

    async def _budgeted(self, state: RequestState, job: Job[Answer], prediction: Prediction) -> tuple[Answer, bytes]:
        """Queue the job if there is memory for it, and count its result until it is sent."""
        self.budget.check_share(self.clients.held_bytes(state.client), prediction.result)
        with self.budget.job(prediction.memory, prediction.result):
            self.clients.promise(state.client, prediction.result)
            try:
                answer, result = await self._queued(state, job, prediction)
            finally:
                self.clients.promise(state.client, -prediction.result)
        self.budget.hold_answer(len(result))
        self.clients.owe(state.client, len(result))
        state.on_end = partial(self._written, state, len(result))
        return answer, result

    def _written(self, state: RequestState, size: int) -> None:
        """An answer is written: its connection counts what the client has still to read."""
        self.budget.release_answer(size)
        state.when_sent(partial(self.clients.owe, state.client, -size))

    async def _queued(self, state: RequestState, job: Job[Answer], prediction: Prediction) -> tuple[Answer, bytes]:
        """Queue the job once, among the cheap or the dear ones."""
        body, limit_s, is_dear = state.body, self.settings.job_timeout_s, prediction.is_dear
        plan = job.to_bytes(None if is_dear else DEAR_S, max(prediction.memory, UNBOOKED_BYTES))
        deadline = _received(state) + limit_s
        # For a large body this was asked before the body came; further jobs may have been queued meanwhile.
        self.clients.came(state.client)
        if is_dear:
            await self._room_for_dear(state.client)
            if body.is_client_gone:
                raise ClientGone
        else:
            self.admission.check(state.client)
        line = self.lines[is_dear]
        turn = line.join(state.client, prediction.seconds)
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                if turn.future is not None:
                    body.when_gone(turn.future.cancel)
                    await turn.future
                    if body.is_client_gone:
                        raise ClientGone
                    line.enter(turn)
                message, result = await self._submitted(body, plan, deadline, prediction, turn)
        except TimeoutError as error:
            raise self._overdue(state.client, deadline) or JobTimeout(limit_s) from error
        except asyncio.CancelledError as error:
            if not body.is_client_gone:
                raise
            raise ClientGone from error
        finally:
            line.leave(turn)
        # The engine has answered and reads the body no more: its file can take another body.
        body.is_unused = True
        return read_answer(job, message), result

    def _submitted(
        self, body: Body, plan: bytes, deadline: float, prediction: Prediction, turn: Turn
    ) -> asyncio.Future[tuple[bytes, bytes]]:
        """Put the job on the queue; the future gives the engine's message and the result."""
        plan_start = body.append(plan)
        # Before the job is in the queue: an engine counts it as taken at once.
        counter, cost_us = f"{prediction.kind}_queued_us", round(prediction.seconds * 1e6)
        self.row.add(counter, cost_us)
        try:
            reply = self.exchange.submit(
                body.file,
                plan_start,
                len(plan),
                deadline,
                cost_s=prediction.seconds,
                is_dear=prediction.is_dear,
                is_express=turn.is_express,
            )
        except BaseException:
            self.row.add(counter, -cost_us)
            raise
        self.row.add("jobs_submitted")
        body.when_gone(reply.cancel)
        return reply

    def _overdue(self, client: str, deadline: float) -> Overloaded | None:
        """The error for a late job that no engine has begun; None if an engine is working on it."""
        error = self.admission.overdue(deadline)
        if error is not None and self.clients.is_held(client):
            return Overloaded(self.clients.reason(client), error.retry_after_s)
        return error

    async def _room_for_dear(self, client: str) -> None:
        """Return when a further dear job may be queued.  Raises Overloaded if there is no room soon.

        The jobs of a front wait one behind another.  Clients that ask again as soon as they are refused would
        otherwise keep the fronts busy with refusals.
        """
        try:
            async with asyncio.timeout(PATIENCE_S), self.dear_turn:
                while self.admission.refusal(client, is_dear=True) is not None:  # noqa: ASYNC110  no event tells what other processes take
                    await asyncio.sleep(PATIENCE_S / 20)
        except TimeoutError:
            self.admission.check(client, is_dear=True)
            return
        self.admission.check(client, is_dear=True)


def predict(job: Job[Any], upload: Upload, limits: Limits) -> Prediction:
    """The time that the job will take.  Raises JobTooDear or JobTooLarge for a job beyond the limits.

    A picture whose size is only guessed is not refused here: the engine opens it and knows.
    """
    estimate = job.estimate(upload.facts, limits)
    if not upload.is_sure:
        is_dear = estimate.seconds > DEAR_S or upload.facts.form.is_vector
        return Prediction(estimate.seconds, math.ceil(estimate.memory), math.ceil(estimate.result), is_dear=is_dear)
    memory = estimate.memory
    try:
        estimate.check(limits)
    except (JobTooDear, JobTooLarge):
        # The orientation is not known here, and the picture may lie on its side.
        estimate = job.estimate(upload.facts.sideways, limits)
        estimate.check(limits)
        memory = estimate.memory
    else:
        # The engine would give a photograph that lies on its side back, because it is reduced less while it is read.
        if memory > UNBOOKED_BYTES / 2:
            memory = max(memory, min(limits.max_job_memory, job.estimate(upload.facts.sideways, limits).memory))
    result, is_dear = math.ceil(estimate.result), estimate.seconds > DEAR_S
    return Prediction(estimate.seconds, math.ceil(memory), result, is_dear=is_dear)


def _raised(prediction: Prediction, error: JobTooDear | JobTooLarge, limits: Limits) -> Prediction:
    """The prediction with what the engine, which has opened the file, knows better than the header check.

    Raises the error with the limit of the server if the job is beyond it.
    """
    if isinstance(error, JobTooDear):
        if prediction.is_dear or error.seconds > limits.max_job_cost_s:
            raise JobTooDear(error.seconds, limits.max_job_cost_s, error.parts) from error
        return replace(prediction, seconds=error.seconds, is_dear=True)
    if error.needed <= prediction.memory or error.needed > limits.max_job_memory:
        raise JobTooLarge(error.needed, round(limits.max_job_memory), error.part) from error
    return replace(prediction, memory=error.needed)


def work_headers(state: RequestState, report: Report | BatchReport) -> dict[str, str]:
    """What an answer tells of the work behind it, as headers.

    They say that the result shows only what was there of a broken picture, why it has its format, where that was
    chosen, and how long each stage took.
    """
    found = {}
    if report.is_broken:
        found["image-broken"] = "true"
    if isinstance(report, Report) and report.reason:
        found["image-format-reason"] = report.reason
    found["server-timing"] = _timings(state, report)
    return found


def _timings(state: RequestState, report: Report | BatchReport) -> str:
    """The value of `Server-Timing`: how long each stage took, which the request's state has from now on."""
    received = _received(state)
    worked_s = report.decode_s + report.operations_s + report.encode_s
    state.stages = {
        "receive": received - state.started,
        "queue": max(0.0, time.monotonic() - received - worked_s),
        "decode": report.decode_s,
        "operations": report.operations_s,
        "encode": report.encode_s,
    }
    shown = dict(state.stages)
    if state.prediction is not None:
        shown["predicted"] = state.prediction.seconds
    found = {name: f"{name};dur={seconds * 1000:.1f}" for name, seconds in shown.items()}
    if isinstance(report, Report) and report.way:
        found["decode"] += f";desc={report.way}"
    return ", ".join(found.values())


def _received(state: RequestState) -> float:
    if state.received is None:
        raise RuntimeError("the body has not been received")
    return state.received
