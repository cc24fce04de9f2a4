"""The workers' user and hooks, from the settings."""

from __future__ import annotations

from imgsrv.pool.worker.hooks import Hooks
from imgsrv.pool.worker.identity import Identity, identity
from imgsrv.settings import Settings


def identity_of(settings: Settings) -> Identity:
    """Return the user and group of the workers.  Raises BadArgument if this process may not become them."""
    return identity(settings.user, settings.group)


def hooks_of(settings: Settings) -> Hooks:
    """Return the operator's functions that each worker calls when it starts and stops."""
    return Hooks(settings.on_worker_start, settings.on_worker_stop, settings.hook_timeout_s)
