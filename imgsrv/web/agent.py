"""The answers to HAProxy's agent-check: whether this server takes work, and how much of it.

HAProxy connects, reads one line of text and multiplies the weight of the server by the percentage in it (HAProxy,
configuration manual, `agent-check`).  So that the weights of several servers can be compared, an engine is always
worth ENGINE_PERCENT, however many there are, and a wait in the queue takes its part of that away:

    percent = ENGINE_PERCENT x engines x (1 - expected wait / max_wait_s), at least 1

With `weight 16` an engine is worth 4 of HAProxy's 256 steps.  A server that stops says 0 %: it gets no new request, and
keeps those that are under way.  The words `stopped` and `down` would end them, with `on-marked-down shutdown-sessions`;
`drain` and `ready` would undo what an operator has told HAProxy.
"""

from __future__ import annotations

import asyncio
from typing import cast

from imgsrv.observe.scoreboard import Board, WorkerState
from imgsrv.web.admission import Admission
from imgsrv.web.http.host import Drain

ENGINE_PERCENT = 25


class Agent:
    """The agent of one worker.  board: that of all workers."""

    def __init__(self, drain: Drain, admission: Admission, board: Board) -> None:
        self._drain, self._admission, self._board = drain, admission, board

    def line(self) -> bytes:
        """The answer of this moment, with its newline."""
        if self._drain.has_begun:
            return b"up 0%\n"
        engines = sum(row["state"] == WorkerState.READY for row in self._board.rows())
        return b"up %d%%\n" % max(1, round(ENGINE_PERCENT * engines * self._admission.room()))


class AgentAnswer(asyncio.Protocol):
    """A connection on which one line is sent."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send it, and close."""
        wire = cast(asyncio.Transport, transport)
        wire.write(self._agent.line())
        wire.close()
