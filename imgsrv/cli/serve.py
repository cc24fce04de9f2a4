"""`imgsrv serve`: the composition of settings, imaging, web and pool into a running server."""

from __future__ import annotations

import argparse
import gc
import os
import platform
import resource
import sys
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import uvloop

from imgsrv import __version__
from imgsrv.cli._flags import add_settings, read_settings
from imgsrv.errors import NoWorkerCanBoot
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.pixels.fonts import use_fonts
from imgsrv.imaging.prepare import preload, prepare_process
from imgsrv.imaging.selftest import self_test
from imgsrv.jobs.facts import input_place, plan_facts
from imgsrv.jobs.job import perform
from imgsrv.observe.crashes import Keeping
from imgsrv.observe.log.logger import configure_logs
from imgsrv.observe.log.rotation import Rotation
from imgsrv.observe.log.sink import Sink
from imgsrv.observe.scoreboard import Board
from imgsrv.pool.child import WorkerLimits
from imgsrv.pool.control import instances
from imgsrv.pool.control.control_socket import Control
from imgsrv.pool.control.instances import Claim, Place, claim
from imgsrv.pool.control.operator import About
from imgsrv.pool.events import Events
from imgsrv.pool.listen.shared import SharedListener
from imgsrv.pool.listen.tcp import Listener, Listening
from imgsrv.pool.master import EXIT_TO_BEGIN_ANEW, Master
from imgsrv.pool.reload.exec import TAKE_OVER_FLAG, State, begin_anew, command_line, taken_over
from imgsrv.pool.reload.trial import TRIAL_FLAG, report
from imgsrv.pool.supervise.coroner import Coroner
from imgsrv.pool.supervise.log_keeper import LogKeeper
from imgsrv.pool.worker.engine import Telling
from imgsrv.pool.worker.exchange import Exchange
from imgsrv.pool.worker.hooks import Hooks
from imgsrv.pool.worker.identity import Identity
from imgsrv.pool.worker.worker import Work, die_with_master
from imgsrv.server.cpus import worker_count
from imgsrv.server.listeners import identity_of, inherit_address, open_listener
from imgsrv.server.notify import Notifier
from imgsrv.settings import Configuration, Settings, notify_socket, runtime_folder, watchdog_s
from imgsrv.web.app import make_front
from imgsrv.web.tracing import load_tracing

EXIT_FAILED = 1

FIXED = ("name", "runtime_dir", "host", "port", "socket_mode")

PACKAGES = ("falcon", "numpy", "opencv-python-headless", "pillow", "uvloop")
"""Those whose versions `imgsrv describe` tells."""


def add_parser(commands: Any) -> None:
    """Add `serve` to the commands."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "serve",
        help="run the server",
        description="Serve until SIGTERM or Ctrl-C; a second one stops at once.",
    )
    add_settings(parser)
    # What a running server starts itself with, for a reload.
    parser.add_argument(TRIAL_FLAG, action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(TAKE_OVER_FLAG, type=int, dest="state_file", help=argparse.SUPPRESS)
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Serve; returns when everything in flight is done.  Raises BadSetting and CannotListen."""
    inherited = None if parsed.state_file is None else taken_over(parsed.state_file)
    configuration = read_settings(parsed)
    settings = configuration.settings
    sink = configure_logs(settings.log_format, settings.log_level, settings.log_file)
    _raise_descriptor_limit()
    if settings.font_dir:
        use_fonts(Path(settings.font_dir))
    load_tracing(settings)
    preload()
    identity = identity_of(settings)
    sink.give_to(identity.user, identity.group)
    if parsed.trial:
        return _try(configuration, identity, sink, inherited)
    # What is imported by now is shared by all workers, and stays shared if the collector leaves it alone.
    gc.collect()
    gc.freeze()
    on_turn = _notify(events := Events())
    status = _serve(configuration, identity, sink, events, on_turn, inherited)
    while status == EXIT_TO_BEGIN_ANEW:
        command = command_line()
        try:
            begin_anew(command)
        except OSError as error:
            events.error("restart_failed", reason=f"{command[0]} cannot be executed: {error.strerror}")
        # Its workers and its address are gone, but what it was started from is still in memory.
        status = _serve(configuration, identity, sink, events, on_turn)
    return status


def _serve(
    configuration: Configuration,
    identity: Identity,
    sink: Sink,
    events: Events,
    on_turn: Callable[[bool], None],
    inherited: State | None = None,
) -> int:
    settings = configuration.settings
    with _claim(settings, inherited) as claimed, _listen(settings, identity, inherited, claimed, events) as listener:
        master = _master(
            configuration, _work(settings, listener.name, identity, sink), listener, claimed, events, inherited
        )
        master.on_turn = on_turn
        try:
            return master.run()
        except NoWorkerCanBoot as error:
            print(f"imgsrv: {error}", file=sys.stderr)
            return EXIT_FAILED


def _master(
    configuration: Configuration,
    work: Work,
    listener: Listening,
    claimed: Claim,
    events: Events,
    inherited: State | None,
) -> Master:
    settings = configuration.settings
    workers = worker_count(settings.workers)
    return Master(
        listener,
        work,
        workers,
        partial(_announce, settings, listener, workers, events),
        WorkerLimits(int(settings.max_worker_memory), settings.max_jobs_per_worker),
        control=Control(claimed),
        coroner=_coroner(settings, work.sink),
        keeper=LogKeeper(work.sink, Rotation(int(settings.log_max_size), settings.log_max_age_s, settings.log_keep)),
        about=_about(configuration),
        events=events,
        inherited=inherited,
    )


def _claim(settings: Settings, inherited: State | None) -> Claim:
    place = Place(runtime_folder(settings.runtime_dir), settings.name)
    return claim(place) if inherited is None else instances.taken_over(place, inherited["control"])


def _listen(
    settings: Settings, identity: Identity, inherited: State | None, claimed: Claim, events: Events
) -> Listener | SharedListener:
    if claimed.is_heir:
        return inherit_address(settings, identity, events.warning)
    return open_listener(settings, identity, inherited)


def _try(configuration: Configuration, identity: Identity, sink: Sink, inherited: State | None) -> int:
    """Boot what a worker boots, on a port of its own, and say that it went well.  Raises what keeps it from it.

    inherited: what the next image would be handed over; then make a master of it, too, that never runs.
    """
    settings = configuration.settings
    work = _work(settings, "trial", identity, sink)
    # For good: this process is the trial's alone.
    work.become()
    # It has the name's lock and the sockets; they are not to outlive the master in it.
    die_with_master(os.getppid())
    for fault in work.hooks.faults():
        raise fault
    work.self_test()
    uvloop.run(_start_front(work))
    report(_fixed(settings))
    if inherited is not None:
        listener = open_listener(settings, identity, inherited)
        _master(configuration, work, listener, _claim(settings, inherited), Events(), inherited)
    return 0


async def _start_front(work: Work) -> None:
    with Listener("127.0.0.1", 0, 1) as listener:
        front = work.make_front(Exchange(), board := Board(1), board.row(0))
        await front.start(listener.for_slot(0))
        front.stop_accepting()


def _fixed(settings: Settings) -> dict[str, Any]:
    """The settings that a reload cannot change, because what they say has been done."""
    return {name: getattr(settings, name) for name in FIXED}


def _work(settings: Settings, title: str, identity: Identity, sink: Sink) -> Work:
    prepare_process()
    limits = Limits(max_pixels=settings.max_pixels, max_frames=settings.max_frames)
    return Work(
        make_front=partial(make_front, settings),
        perform=partial(perform, limits=limits),
        self_test=partial(self_test, limits),
        drain_s=settings.drain_s,
        shutdown_delay_s=settings.shutdown_delay_s,
        title=title,
        hooks=hooks_of(settings),
        become=identity.take,
        sink=sink,
        telling=Telling(plan_facts, settings.slow_job_s),
    )


def hooks_of(settings: Settings) -> Hooks:
    """What the operator wants done in each worker."""
    return Hooks(settings.on_worker_start, settings.on_worker_stop, settings.hook_timeout_s)


def _coroner(settings: Settings, sink: Sink) -> Coroner:
    """Who looks into the deaths of workers."""
    reports, inputs = (Path(folder) if folder else None for folder in (settings.crash_dir, settings.quarantine))
    keeping = Keeping(reports, inputs, int(settings.quarantine_max_size))
    return Coroner(plan_facts, input_place, keeping, sink.descriptor)


def _about(configuration: Configuration) -> About:
    """What the commands tell of this instance."""
    settings = configuration.settings
    values = settings.model_dump(mode="json")
    return About(
        name=settings.name,
        log_file=os.path.realpath(settings.log_file) if settings.log_file else None,
        version=__version__,
        max_queue=settings.max_queue,
        fixed=_fixed(settings),
        description={
            "command": command_line(),
            "folder": str(Path.cwd()),
            "python": platform.python_version(),
            "packages": {name: metadata.version(name) for name in PACKAGES},
            "settings": {
                name: {"value": value, "source": configuration.sources[name]} for name, value in values.items()
            },
        },
    )


def _notify(events: Events) -> Callable[[bool], None]:
    """Tell systemd what becomes of the service, where it has asked; returns what to call in each turn of the loop."""
    if not (address := notify_socket()):
        return lambda _is_healthy: None
    notifier = Notifier(address, watchdog_s())
    events.observers.append(notifier.observe)
    return notifier.turn


def _raise_descriptor_limit() -> None:
    """Every waiting job holds descriptors; the soft limit of 1024 dates from a time without them."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _announce(settings: Settings, listener: Listening, workers: int, events: Events) -> None:
    """Say to a person where the server is and what to try; to a machine the same as one event."""
    events.info("serving", url=listener.url, port=listener.port, workers=workers, pid=os.getpid())
    if settings.log_format == "json":
        return
    # Over a unix socket curl takes any host.
    url = listener.url if listener.port else "http://localhost"
    curl = "curl" if listener.port else f"curl --unix-socket {listener.url.removeprefix('unix:')}"
    print(
        f"""
  imgsrv {__version__} serves on {listener.url}
  {workers} workers · bodies up to {settings.max_body.human_readable(decimal=True)} \
· pictures up to {settings.max_pixels / 1e6:g} megapixels · {settings.job_timeout_s:g} s a picture

  Try:
    {curl} --data-binary @photo.jpg '{url}/resize?width=800' -o small.jpg
    {curl} --data-binary @photo.jpg '{url}/pipeline?ops=resize:width=800/sharpen&format=webp' -o small.webp
    {curl} {url}/operations

  Ctrl-C finishes what is in flight and stops.
""",
        flush=True,
    )
