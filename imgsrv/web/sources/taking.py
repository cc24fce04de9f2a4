"""The picture of a request: from its body, or from the places that its query names.

A route does it in three steps.  `read_sources` reads the query.  `open_sources` asks the places, and reads nothing:
a kept result can be found by the `identity`.  `take_picture` brings all bytes into the body's file and checks the
header of the picture.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from falcon.asgi import Request

from imgsrv.errors import BodyTooLarge, ClientGone, SourceTimeout, SourceTooLarge, UnusableParameters, WrongMethod
from imgsrv.imaging.pipelines.pipeline import Pipeline
from imgsrv.jobs.job import Place
from imgsrv.web.multipart import FILE_PART
from imgsrv.web.services import Services
from imgsrv.web.sources.naming import Sources, split_sources
from imgsrv.web.sources.opened import Asker, Opened, Validators
from imgsrv.web.sources.origins import NONE_KNOWN, OpenedSources
from imgsrv.web.state import RequestState, state_of
from imgsrv.web.upload import Upload, check_upload, receive_parts

BODYLESS = ("GET", "HEAD")

QUESTION_S, BYTE_S = 0.001, 2e-9
"""What the limits of work are charged for a question to another server, and for a byte of its answer.

It is about twice the processor time of a front, because it takes connections and the network too.
"""


def read_sources(req: Request) -> tuple[Sources, str]:
    """The sources that the query names, and the query without them.

    Raises WrongMethod for a GET without a source, UnusableParameters for a source beside a body, BadSource and
    RepeatedParameter.
    """
    sources, query = split_sources(req.query_string)
    if req.method in BODYLESS and sources.picture is None:
        raise WrongMethod(req.method, req.path, ["POST"])
    if sources.picture is not None and state_of(req).body.expected != 0:
        reason = "the body and source= both are the picture; send an empty body, or leave source= out"
        raise UnusableParameters("the request", reason)
    return sources, query


def asker_of(state: RequestState) -> Asker:
    """Who asks, for the places that must know it."""
    return Asker(state.key or "", is_trusted=state.signer is not None)


@asynccontextmanager
async def open_sources(
    state: RequestState, services: Services, sources: Sources, known: Mapping[str, Validators] = NONE_KNOWN
) -> AsyncIterator[OpenedSources]:
    """The opened sources; none if the query names none.

    Raises SourceTimeout, what `Origins.open` raises, and WorkLimited and LimitsUnavailable for what has to be fetched.
    """
    names = [*([sources.picture] if sources.picture else []), *sources.parts.values()]
    if fetched := sum(map(services.origins.is_fetched, names)):
        await services.limiter.admit_fetch(state, fetched * QUESTION_S)
    async with _in_time(state, services, sources):
        opened = await services.origins.open(sources, asker_of(state), known)
    async with opened:
        yield opened


async def take_picture(req: Request, services: Services, opened: OpenedSources, pipeline: Pipeline) -> Upload:
    """The picture with the parts that the pipeline needs, all in the body's file, and its header checked.

    Raises what `take_parts`, `check_parts` and `check_upload` raise.
    """
    parts = await take_parts(req, services, opened, pipeline)
    pipeline.check_parts([name for name in parts if name != FILE_PART])
    return check_upload(state_of(req).body, parts, services.limits)


async def take_parts(
    req: Request, services: Services, opened: OpenedSources, pipeline: Pipeline | None = None
) -> dict[str, Place]:
    """The places of all parts in the body's file, by their names; the picture is the part `file`.

    pipeline: it must need the parts that come from sources, which is checked before these are fetched.
    Raises what `receive_parts` and `fetch_parts` raise.
    """
    state, names = state_of(req), opened.names
    parts = {} if names.picture is not None else await receive_parts(req, services.max_body)
    if pipeline is not None and names:
        pipeline.check_parts([name for name in (*parts, *names.parts) if name != FILE_PART])
    if both := [name for name in names.parts if name in parts]:
        raise UnusableParameters("the request", f"the part {both[0]!r} comes with the body and from a source")
    parts.update(await fetch_parts(state, services, opened))
    return parts


async def fetch_parts(state: RequestState, services: Services, opened: OpenedSources) -> dict[str, Place]:
    """Read all opened sources; gives their places in the body's file, by the names of their parts.

    Raises SourceTooLarge, SourceTimeout, ClientGone, and what `Opened.read_into` raises.
    """
    async with _in_time(state, services, opened.names):
        parts = {part: await _fetched(state, services, opened, part, source) for part, source in opened.by_part.items()}
    state.received = time.monotonic()
    return parts


async def _fetched(state: RequestState, services: Services, opened: OpenedSources, part: str, source: Opened) -> Place:
    """The place in the body's file of a source that is read now."""
    body, limit, origins = state.body, services.max_body, services.origins
    name, start = opened.named(part), body.received
    with origins.counting(name):
        try:
            size = await source.read_into(body, limit)
        except BodyTooLarge as error:
            raise SourceTooLarge(str(name), limit, None if error.size is None else error.size - start) from error
        finally:
            if origins.is_fetched(name):
                await services.limiter.charge_fetched(state, (body.received - start) * BYTE_S)
    origins.count_read(name, size)
    return start, size


@asynccontextmanager
async def _in_time(state: RequestState, services: Services, sources: Sources) -> AsyncIterator[None]:
    """End the block if the sources do not come in time, or the client leaves meanwhile."""
    body, task, limit_s = state.body, asyncio.current_task(), services.settings.source_timeout_s
    if not sources or task is None:
        yield
        return
    body.when_gone(task.cancel)
    try:
        async with asyncio.timeout(limit_s):
            yield
    except TimeoutError as error:
        late = sources.picture or next(iter(sources.parts.values()))
        raise SourceTimeout(str(late), f"{limit_s:g} s", "--source-timeout-s") from error
    except asyncio.CancelledError as error:
        if not body.is_client_gone:
            raise
        task.uncancel()
        raise ClientGone from error
    finally:
        body.when_gone(lambda: None)
