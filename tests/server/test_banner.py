"""The warning of a server that anybody can reach and ask."""

from __future__ import annotations

import os
import socket

import pytest

from imgsrv.pool.events import Events
from imgsrv.pool.listen.systemd import SystemdListener
from imgsrv.pool.listen.tcp import TcpListener
from imgsrv.server.banner import warn_if_open
from imgsrv.settings import Settings
from imgsrv.web.access.rules import listens_beyond_loopback


@pytest.mark.parametrize(
    ("host", "is_beyond"),
    [
        ("127.0.0.1", False),
        ("127.8.9.10", False),
        ("::1", False),
        ("localhost", False),
        ("unix:/run/imgsrv.sock", False),
        ("0.0.0.0", True),  # noqa: S104  nothing is bound
        ("::", True),
        ("[::]", True),
        ("10.0.0.1", True),
        ("img.example", True),
    ],
)
def test_addresses_that_other_machines_reach_are_known(host: str, *, is_beyond: bool) -> None:
    assert listens_beyond_loopback(host) is is_beyond


@pytest.mark.parametrize(("address", "warnings"), [("0.0.0.0", 1), ("127.0.0.1", 0)])  # noqa: S104  one is bound, for a moment
def test_a_socket_of_systemd_counts_by_its_own_address(address: str, warnings: int) -> None:
    events = Events()
    bound = socket.create_server((address, 0))
    with bound, SystemdListener(1, {"sockets": [os.dup(bound.fileno())]}) as listener:
        warn_if_open(Settings(host="127.0.0.1"), listener, events)
    assert [event["host"] for event in events.recent] == [address] * warnings


def test_keys_secrets_or_presets_only_are_enough() -> None:
    events = Events()
    with TcpListener("127.0.0.1", 0, 1) as listener:
        for closed in ({"keys_file": "k"}, {"secrets_file": "s"}, {"presets_only": True, "presets": {"a": "ops=flip"}}):
            warn_if_open(Settings(host="::", **closed), listener, events)
        assert list(events.recent) == []
        warn_if_open(Settings(host="::", client_limit="1/day"), listener, events)
    assert [event["event"] for event in events.recent] == ["anybody_may_ask"]
