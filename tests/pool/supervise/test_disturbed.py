"""A server under constant disturbance returns to its first state, and clients notice only killed workers."""

from __future__ import annotations

import pytest
from disturbing import Disturber, holdings, holdings_at_rest, put_in_order, settled
from load import loading
from serving import serving, wait_until

pytestmark = pytest.mark.slow


@pytest.mark.timeout(300)
def test_random_signals_commands_garbage_and_kills_leave_the_server_as_it_was() -> None:
    with serving("--workers", "2") as server:
        settled(server, 2)
        before = holdings_at_rest(server)
        with loading(server, keep_alive=2, fresh=2) as load:
            disturber = Disturber(server, seed=6)
            disturber.disturb(150, load)
            put_in_order(server, 2)
            load.wait_more(1)
        # A killed worker takes its clients along; nobody else gets anything but pictures.
        answers = [failure.answer for failure in load.failures if failure.answer is not None]
        assert {(answer.status, answer.code) for answer in answers} <= {(500, "worker_lost")}
        assert len(load.failures) <= disturber.done["kill"] * len(load.clients)
        put_in_order(server, 2)
        wait_until(lambda: holdings(server) == before, f"it has what it had: {before}")
