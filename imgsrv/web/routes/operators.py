"""The app behind the operator's own address (`metrics_listen`): metrics, dashboard, probes, and no pictures.

It asks for no key: whoever can reach the address may read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import falcon.asgi

from imgsrv.web.pages.serve import PATH as FILES_PATH
from imgsrv.web.problems import add_handlers

PATHS = ("/metrics", "/healthz", "/readyz", "/dashboard", "/dashboard/events", FILES_PATH)
"""What is answered there."""


def operators_app(resources: Mapping[str, object]) -> falcon.asgi.App[Any, Any]:
    """The app.  resources: of all routes, by their path."""
    app: falcon.asgi.App[Any, Any] = falcon.asgi.App()
    for path in PATHS:
        if path in resources:
            app.add_route(path, resources[path])
    add_handlers(app)
    return app
