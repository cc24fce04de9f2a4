"""The Falcon app: which path is answered by what, and the front that serves it."""

from __future__ import annotations

from functools import partial
from typing import Any

import falcon.asgi

from imgsrv import __version__
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.observe.log.logger import get_logger
from imgsrv.observe.metrics import render_metrics
from imgsrv.observe.scoreboard import Board, Row
from imgsrv.reference.routes import ROUTES
from imgsrv.settings import Settings
from imgsrv.web.admission import Admission
from imgsrv.web.front import Front
from imgsrv.web.http.proxy_headers import Proxies
from imgsrv.web.middleware import Gate
from imgsrv.web.problems import add_handlers
from imgsrv.web.routes.batch import BatchRoute
from imgsrv.web.routes.images import InfoRoute, OperationRoute, PipelineRoute, Services
from imgsrv.web.routes.pages import HealthPage, MetricsPage, ReadyPage, documents
from imgsrv.web.tracing import make_tracing


def make_front(settings: Settings, exchange: Any, board: Board, row: Row) -> Front:
    """The front of one worker, ready to be started.  exchange: an Exchange of imgsrv.pool."""
    log = get_logger().bind(pid=row["pid"])

    def is_draining() -> bool:
        return front.is_draining

    app: falcon.asgi.App[Any, Any] = falcon.asgi.App()
    admission = Admission(board, exchange, max_queue=settings.max_queue, max_wait_s=settings.max_wait_s)
    limits = Limits(max_pixels=settings.max_pixels, max_frames=settings.max_frames)
    services = Services(settings, limits, exchange, admission, row)
    for name in OPERATIONS:
        app.add_route(f"/{name}", OperationRoute(services, name))
    resources = {
        "/pipeline": PipelineRoute(services),
        "/batch": BatchRoute(services),
        "/info": InfoRoute(services),
        **documents(),
        "/healthz": HealthPage(),
        "/readyz": ReadyPage(is_draining, admission.is_saturated),
        "/metrics": MetricsPage(lambda: render_metrics(board, exchange, __version__, settings.max_queue)),
    }
    for path in ROUTES:
        app.add_route(path, resources[path])
    add_handlers(app)
    tracing = make_tracing(settings, log, partial(row.add, "spans_lost"))
    gate = Gate(app, row, log, Proxies(settings.trusted_proxies), tracing, logs_access=settings.access_log)
    front = gate.front = Front(gate, settings, row, log)
    front.refusal = admission.refusal
    if tracing is not None:
        front.last_words = tracing.close
    return front
