"""`/dashboard/events`: what it tells, whom, and how it ends."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pictures import encoded, picture
from servers.ports import free_port
from serving import Server, serving, wait_until

from imgsrv.web.access.keys import make_key
from imgsrv.web.dashboard.stream import MOST_STREAMS

PATH = "/dashboard/events"


@contextmanager
def watching(url: str, **headers: str) -> Iterator[tuple[httpx.Response, Iterator[dict[str, Any]]]]:
    """The answer, and the snapshots that come."""
    with httpx.Client(timeout=60) as client, client.stream("GET", url + PATH, headers=headers) as answer:
        yield answer, (json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: "))


def status(url: str, **headers: str) -> int:
    with watching(url, **headers) as (answer, _snapshots):
        return answer.status_code


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving("--workers", "2") as server:
        yield server


def test_each_second_tells_what_the_whole_pool_does(server: Server) -> None:
    with watching(server.url) as (answer, snapshots):
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["cache-control"] == "no-store"
        before = next(snapshots)
        with server.client() as client:
            assert client.post("/flip?format=png", content=encoded(picture("RG/BY"))).status_code == 200
            assert client.post("/flip?nothing=1", content=encoded(picture("RG/BY"))).status_code == 400
        after = next(snapshots)
    assert 0.5 < after["at"] - before["at"] < 30
    assert after["totals"]["requests"] == before["totals"]["requests"] + 2
    assert after["totals"]["jobs_done"] == before["totals"]["jobs_done"] + 1
    assert after["totals"]["errors"]["unknown_parameter"] >= 1
    assert after["pictures"]["png"] >= 1
    assert sum(after["latency"]["counts"]) == after["totals"]["requests"]
    assert 0 < after["latency"]["slowest_s"] < 30
    assert (after["name"], after["queue"], after["is_reloading"]) == ("default", {"waiting": 0, "max": 256}, False)
    workers = after["workers"]
    assert [worker["pid"] for worker in workers] == [worker["pid"] for worker in before["workers"]]
    assert {worker["pid"] for worker in workers} == {*server.workers()}
    assert all(worker["state"] == "ready" and worker["memory_bytes"] > 1e6 for worker in workers)


def test_the_time_of_a_stream_is_not_that_of_a_request(server: Server) -> None:
    with watching(server.url) as (_answer, snapshots):
        next(snapshots)
        next(snapshots)
    with watching(server.url) as (_answer, snapshots):
        assert sum(next(snapshots)["latency"]["counts"][9:]) == 0  # nothing above a quarter of a second


def test_a_proxy_on_this_machine_and_a_foreign_page_get_nothing(server: Server) -> None:
    for headers in ({"X-Forwarded-For": "127.0.0.1"}, {"Origin": "http://evil.example"}, {"Host": "images.example"}):
        with watching(server.url, **headers) as (answer, _snapshots):
            answer.read()
            assert (answer.status_code, answer.json()["code"]) == (403, "operators_only")
            assert "this machine alone" in answer.json()["detail"]
    assert status(server.url.replace("127.0.0.1", "localhost")) == 200


def test_where_a_proxy_is_trusted_its_word_for_loopback_does_not_count() -> None:
    with serving("--workers", "1", "--trusted-proxies=127.0.0.1") as server:
        assert status(server.url, **{"X-Forwarded-For": "127.0.0.1"}) == 403
        assert status(server.url) == 403


def test_where_keys_are_asked_for_the_operators_opens_it_and_nothing_else(tmp_path: Path) -> None:
    (shop, shops), (ops, opses) = (make_key(name, None, None, None, operator=name == "ops") for name in ("shop", "ops"))
    (tmp_path / "keys").write_text(f"{shop}\n{ops}\n")
    with serving("--workers", "1", f"--keys-file={tmp_path / 'keys'}", "--client-limit=2/day") as server:
        assert [status(server.url, Authorization=f"Bearer {opses}") for _ in range(4)] == [200] * 4
        assert status(server.url, Authorization=f"Bearer {shops}") == 403
        assert status(server.url) == 401


def test_the_operators_own_address_has_it_for_everybody_who_reaches_it() -> None:
    port = free_port()
    with serving("--workers", "1", f"--metrics-listen=127.0.0.1:{port}"):
        url = f"http://127.0.0.1:{port}"
        assert status(url, Host="images.example") == 200
        page = httpx.get(f"{url}/dashboard", timeout=30)
        assert page.headers["content-type"].startswith("text/html")


def opened(server: Server) -> list[socket.socket]:
    """Streams, until one is refused."""
    streams = list[socket.socket]()
    while len(streams) <= MOST_STREAMS:
        stream = server.connect()
        stream.sendall(b"GET /dashboard/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        if stream.recv(15) != b"HTTP/1.1 200 OK":
            stream.close()
            break
        streams.append(stream)
    return streams


def test_a_worker_serves_so_many_streams_and_forgets_those_that_have_left() -> None:
    with serving("--workers", "1") as server:
        streams = opened(server)
        assert len(streams) == MOST_STREAMS
        with watching(server.url) as (answer, _snapshots):
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")

        def is_free() -> bool:
            for stream in streams:
                stream.close()
            streams[:] = opened(server)
            return len(streams) == MOST_STREAMS

        wait_until(is_free, "there is room for all again", 60)
        for stream in streams:
            stream.close()


def test_a_reload_ends_the_stream_and_the_next_one_tells_of_the_new_workers() -> None:
    with serving("--workers", "1") as server:
        with watching(server.url) as (_answer, snapshots):
            first = next(snapshots)
            server.signal(signal.SIGHUP)
            *_rest, last = snapshots  # until the worker that serves it has gone
        wait_until(lambda: server.named("reloaded") != [], "the reload is done", 60)
        with watching(server.url) as (_answer, snapshots):
            after = next(snapshots)
    assert (first["generation"], after["generation"]) == (1, 2)
    assert last["totals"]["requests"] <= after["totals"]["requests"]
    assert {worker["pid"] for worker in after["workers"]} != {worker["pid"] for worker in first["workers"]}


def test_a_stop_does_not_wait_for_those_who_watch() -> None:
    with serving("--workers", "1", "--drain-s=30") as server, watching(server.url) as (_answer, snapshots):
        next(snapshots)
        server.signal(signal.SIGTERM)
        assert len([*snapshots]) <= 3
        assert server.wait_exit() == 0
