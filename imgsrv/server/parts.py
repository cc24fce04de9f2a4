"""The parts of a server, each made from the settings."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from imgsrv.environment import runtime_folder
from imgsrv.imaging.apart.pool import set_deadline, take_losses
from imgsrv.imaging.memory.malloc import let_go
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.selftest import self_test
from imgsrv.jobs.facts import input_place, plan_facts
from imgsrv.jobs.job import perform
from imgsrv.observe.crashes import Keeping
from imgsrv.observe.log.rotation import Rotation
from imgsrv.observe.log.sink import Sink
from imgsrv.pool.child import WorkerLimits
from imgsrv.pool.control import instances
from imgsrv.pool.control.control_socket import Control
from imgsrv.pool.control.instances import Claim, Place
from imgsrv.pool.events import Events
from imgsrv.pool.listen import beside
from imgsrv.pool.listen.base import Listener
from imgsrv.pool.master import Master
from imgsrv.pool.reload import state
from imgsrv.pool.reload.exec import Passed
from imgsrv.pool.roster import Roster
from imgsrv.pool.supervise.coroner import Coroner
from imgsrv.pool.supervise.log_keeper import LogKeeper
from imgsrv.pool.worker.engine import Helpers, Telling
from imgsrv.pool.worker.exchange import Exchange
from imgsrv.pool.worker.identity import Identity
from imgsrv.pool.worker.worker import Work
from imgsrv.server.banner import announce
from imgsrv.server.cpus import worker_count
from imgsrv.server.description import about
from imgsrv.server.listeners import BESIDE, Sockets
from imgsrv.server.memory import memory_budget
from imgsrv.server.workers import hooks_of
from imgsrv.settings import Configuration, Settings
from imgsrv.web.access.entry import LIMITS, entry_of
from imgsrv.web.app import make_front
from imgsrv.web.cache.setup import prepare_cache
from imgsrv.web.routes.pages import documents
from imgsrv.web.sources.uploads.setup import prepare_uploads


def work_of(
    settings: Settings,
    title: str,
    identity: Identity,
    sink: Sink,
    passed: Passed | None,
    sockets: Sockets,
) -> Work:
    """Make the work of a worker: HTTP in front, pictures behind.  Raises BadSetting.

    title: for `ps`, behind the process's name.  passed: the state from the image before.  sockets: see `open_beside`.
    """
    entry = entry_of(settings, None if passed is None else passed.get("shared", {}).get(LIMITS))
    max_memory = memory_budget(settings.max_memory)
    limits = Limits(
        settings.max_pixels, settings.max_frames, settings.max_job_cost_s, min(max_memory, int(settings.max_job_memory))
    )
    prepare_uploads(settings)
    pages = documents(
        settings.presets, has_pages=settings.pages, has_uploads=bool(settings.uploads_dir or settings.uploads)
    )
    shared = {} if entry.table is None else {LIMITS: entry.table.dump()}
    for name, each in sockets.items():
        shared[name] = beside.dump(getattr(settings, BESIDE[name]), each)
    return Work(
        make_front=partial(make_front, settings, limits, max_memory, prepare_cache(settings), entry, pages, sockets),
        perform=partial(perform, limits=limits),
        self_test=partial(self_test, limits),
        drain_s=settings.drain_s,
        shutdown_delay_s=settings.shutdown_delay_s,
        title=title,
        hooks=hooks_of(settings),
        become=identity.take,
        sink=sink,
        helpers=Helpers(set_deadline, take_losses, let_go),
        telling=Telling(plan_facts, settings.slow_job_s),
        send_s=settings.send_timeout_s,
        shared=shared,
    )


def claim_of(settings: Settings, passed: Passed | None) -> Claim:
    """Claim the name of the instance, or load the claim of the image before.  Raises NameTaken, BadRuntimeFolder."""
    place = Place(runtime_folder(settings.runtime_dir), settings.name)
    return instances.claim(place) if passed is None else instances.load(place, passed["control"])


def master_of(
    configuration: Configuration,
    work: Work,
    listener: Listener,
    claim: Claim,
    events: Events,
    passed: Passed | None,
    on_turn: Callable[[bool], None] = lambda _is_healthy: None,
) -> Master:
    """Make the roster of workers and the master around it.  passed: the state from the image before."""
    settings = configuration.settings
    size = worker_count(settings.workers)
    control = Control(claim, passed["control"]["clients"] if passed is not None else ())
    roster = Roster(
        listener,
        work,
        size,
        WorkerLimits(int(settings.max_worker_memory), settings.max_jobs_per_worker, settings.silence_s),
        events,
        Exchange(),
        control.let_go,
        inherited=None if passed is None else state.load(passed, size),
    )
    return Master(
        roster,
        partial(announce, settings, listener, size, events),
        control=control,
        coroner=_coroner(settings, work.sink),
        keeper=LogKeeper(work.sink, Rotation(int(settings.log_max_size), settings.log_max_age_s, settings.log_keep)),
        about=about(configuration),
        on_turn=on_turn,
    )


def _coroner(settings: Settings, sink: Sink) -> Coroner:
    reports, inputs = (Path(folder) if folder else None for folder in (settings.crash_dir, settings.quarantine))
    keeping = Keeping(reports, inputs, int(settings.quarantine_max_size))
    return Coroner(plan_facts, input_place, keeping, sink)
