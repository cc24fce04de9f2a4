"""The trial before a reload or restart, in the process that the master starts for it; see pool/reload/trial.py."""

from __future__ import annotations

import os

import uvloop

from imgsrv.observe.log.sink import Sink
from imgsrv.observe.scoreboard import Board
from imgsrv.pool.events import Events
from imgsrv.pool.listen.tcp import TcpListener
from imgsrv.pool.reload.exec import Passed
from imgsrv.pool.reload.trial import report
from imgsrv.pool.worker.exchange import Exchange
from imgsrv.pool.worker.identity import Identity
from imgsrv.pool.worker.worker import Work, die_with_master
from imgsrv.server.description import fixed
from imgsrv.server.listeners import open_beside, open_listener
from imgsrv.server.moving import addresses
from imgsrv.server.parts import claim_of, master_of, work_of
from imgsrv.settings import Configuration


def run_trial(configuration: Configuration, identity: Identity, sink: Sink, passed: Passed | None) -> int:
    """Boot what a worker boots, on a port of its own, and report that it went well.  Raises what prevents it.

    passed: the state for the next image; then also make a master of it, which never runs.
    """
    settings = configuration.settings
    # Without a state the running server keeps its further addresses until the restart.  They are only tried: what is
    # asked there is for the server that serves.
    for each in () if passed is None else open_beside(settings, passed).values():
        each.close()
    work = work_of(settings, "trial", identity, sink, passed, {})
    # This process may give up its user for good: it ends with the trial.
    work.become()
    # It holds the lock of the name and the sockets, which must not outlive the master in this process.
    die_with_master(os.getppid())
    for fault in work.hooks.faults():
        raise fault
    work.self_test()
    uvloop.run(_start_front(work))
    report({**fixed(settings), **addresses(settings)})
    if passed is not None:
        listener = open_listener(settings, identity, passed)
        master_of(configuration, work, listener, claim_of(settings, passed), Events(), passed)
    return 0


async def _start_front(work: Work) -> None:
    with TcpListener("127.0.0.1", 0, 1) as listener:
        front = work.make_front(Exchange(), board := Board(1), board.row(0))
        await front.start(listener.for_slot(0))
        front.stop_accepting()
