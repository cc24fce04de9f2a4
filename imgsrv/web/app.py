"""The wiring of one worker's front: the routes, the app, the gate around it, and the front that serves it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import falcon.asgi

from imgsrv import __version__
from imgsrv.errors import Overloaded
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.observe.log.logger import get_logger
from imgsrv.observe.metrics import metrics_of
from imgsrv.observe.scoreboard import Board, Row
from imgsrv.settings import Settings
from imgsrv.web.access.access import Access
from imgsrv.web.access.entry import Entry
from imgsrv.web.admission import Admission
from imgsrv.web.agent import Agent, AgentAnswer
from imgsrv.web.cache.setup import Shared, make_cache
from imgsrv.web.clients import Clients, client_of
from imgsrv.web.dashboard.snapshot import Snapshots
from imgsrv.web.dashboard.stream import EventsRoute
from imgsrv.web.front import Door, Front
from imgsrv.web.http.connection import Connection
from imgsrv.web.http.host import App, Drain
from imgsrv.web.http.proxy_headers import Client, Proxies
from imgsrv.web.line import make_lines
from imgsrv.web.memory_budget import MemoryBudget
from imgsrv.web.middleware import Gate
from imgsrv.web.plain.way import PlainWay
from imgsrv.web.problems import add_handlers
from imgsrv.web.routes.batch import BatchRoute
from imgsrv.web.routes.images import OperationRoute, PipelineRoute
from imgsrv.web.routes.info import InfoRoute
from imgsrv.web.routes.operators import operators_app
from imgsrv.web.routes.pages import HealthPage, MetricsPage, Page, ReadyPage
from imgsrv.web.routes.uploads import UploadRoute, UploadsRoute
from imgsrv.web.services import Exchange, Services
from imgsrv.web.sources.origins import Origins
from imgsrv.web.tracing import make_tracing


def make_front(
    settings: Settings,
    limits: Limits,
    max_memory: int,
    shared: Shared,
    entry: Entry,
    pages: Mapping[str, Page],
    sockets: Mapping[str, socket.socket],
    exchange: Exchange,
    board: Board,
    row: Row,
) -> Front:
    """The front of one worker, ready to be started.

    limits: of a picture and its job.  max_memory: the budget of all workers in bytes.  shared: what all workers share
    of the result cache.  entry: who may ask, and how often.  pages: the documents, by their path.  sockets: of
    further addresses: `agent` for a balancer that asks for the room of the server, `metrics` for the operator's routes.
    row: the worker's own row of the board.
    """
    log = get_logger().bind(pid=row["pid"])
    proxies, drain = Proxies(settings.trusted_proxies), Drain()
    clients = Clients()
    lines = make_lines(exchange, board, row, clients)
    admission = Admission(board, exchange, max_queue=settings.max_queue, max_wait_s=settings.max_wait_s, lines=lines)
    budget = MemoryBudget(board, row, max_memory)
    limiter, cache = entry.limiter(settings, row, log), make_cache(shared, row, log)
    origins = Origins(settings, row)
    services = Services(settings, limits, exchange, admission, row, budget, origins, cache, limiter, clients, lines)
    metrics = metrics_of(board, exchange, __version__, settings.max_queue, max_memory)
    facts = {"name": settings.name, "version": __version__}
    snapshots = Snapshots(board, exchange, facts, settings.max_queue, max_memory)
    resources = _resources(services, pages, drain, metrics, EventsRoute(snapshots.take, drain))
    tracing = make_tracing(settings, log, partial(row.add, "spans_lost"))

    def gated(app: App) -> Gate:
        return Gate(app, row, log, proxies, drain, tracing, logs_access=settings.access_log)

    doors: list[Door] = []
    if "metrics" in sockets:
        operators = gated(operators_app(resources))
        doors.append((sockets["metrics"], lambda front: Connection(front, operators)))
    if "agent" in sockets:
        agent = Agent(drain, admission, board)
        doors.append((sockets["agent"], lambda _front: AgentAnswer(agent)))
    access = Access(entry.rules, limiter, settings)
    app: App = _make_app(resources, access, has_metrics="metrics" not in sockets)
    gate = gated(app if cache.keeps else PlainWay(app, access, services))

    async def close_app() -> None:
        await origins.close()
        await cache.close()
        await limiter.close()
        if tracing is not None:
            await tracing.close()

    def refusal(client: Client) -> Overloaded | None:
        return admission.refusal(client_of(client))

    # Where something of the client, or of its further requests, is asked each time, the app asks it.
    is_plain = entry.rules.is_open and not entry.rules.has_limits and not entry.rules.cors and tracing is None
    quick = cache.answer_early(gate.record_quick) if is_plain else None
    answering = entry.rules.cors.answering
    return Front(gate, settings, row, log, proxies, drain, budget, refusal, close_app, answering, quick, doors)


def _resources(
    services: Services, pages: Mapping[str, Page], drain: Drain, render: Callable[[], bytes], events: EventsRoute
) -> dict[str, object]:
    """What answers each route, by its path."""
    return {
        **{f"/{name}": OperationRoute(services, name) for name in OPERATIONS},
        "/pipeline": PipelineRoute(services),
        "/batch": BatchRoute(services),
        "/info": InfoRoute(services),
        "/uploads": UploadsRoute(services),
        "/uploads/{upload}": UploadRoute(services),
        **pages,
        "/healthz": HealthPage(),
        "/readyz": ReadyPage(drain, services.admission),
        "/metrics": MetricsPage(render),
        "/dashboard/events": events,
    }


def _make_app(resources: Mapping[str, object], access: Access, *, has_metrics: bool) -> falcon.asgi.App[Any, Any]:
    app: falcon.asgi.App[Any, Any] = falcon.asgi.App(middleware=[access])
    for path, resource in resources.items():
        if path != "/metrics" or has_metrics:
            app.add_route(path, resource)
    add_handlers(app)
    return app
