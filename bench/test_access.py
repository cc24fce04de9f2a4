"""What do keys, limits and signed URLs cost the front, in processor time of a request?

The middleware is called as the app calls it, without the rest of a request: the difference that it makes there is
smaller than what one round differs from the next.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

import pytest
from falcon.asgi import Request, Response
from pace import Pace
from report import Report

from imgsrv.observe.log.logger import get_logger
from imgsrv.observe.scoreboard import Board
from imgsrv.settings import Settings
from imgsrv.web.access.access import Access
from imgsrv.web.access.keys import Keys, make_key
from imgsrv.web.access.limits import Limiter
from imgsrv.web.access.rates import parse_limit
from imgsrv.web.access.rules import Limits, Rules
from imgsrv.web.access.signatures import Secrets, sign
from imgsrv.web.access.stores.memory import MemoryStore, SharedTable
from imgsrv.web.state import KEY, RequestState

ROUNDS, REQUESTS = 9, 2000

LIMIT = parse_limit("1000000/second")
SECRET = b"a secret of the bench"
SHOP, TOKEN = make_key("shop", None, None, None, operator=False)
OTHERS = [make_key(f"key{index}", None, None, None, operator=False)[0] for index in range(1000)]
BEARER = [(b"host", b"img.example"), (b"accept", b"*/*"), (b"authorization", b"Bearer " + TOKEN.encode())]


def request(query: str, headers: list[tuple[bytes, bytes]]) -> Request:
    """A request as it comes to the app."""
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/resize",
        "raw_path": b"/resize",
        "query_string": query.encode(),
        "root_path": "",
        "headers": headers,
        "client": ("203.0.113.7", 1),
        "server": ("198.51.100.1", 80),
        KEY: RequestState("id", cast("Any", None), 0.0),
    }
    return Request(scope, cast("Any", None))


def limiter() -> Limiter:
    """Limits in shared memory, as one worker has them."""
    return Limiter(MemoryStore(SharedTable(65_536)), Board(1).row(0), get_logger())


def measured_us(access: Access, query: str = "width=300", headers: list[tuple[bytes, bytes]] = BEARER) -> float:
    """Microseconds of the processor for one request."""

    async def run() -> float:
        requests, response = [request(query, headers) for _ in range(REQUESTS)], Response()
        began = time.thread_time()
        for each in requests:
            await access.process_request(each, response)
        return (time.thread_time() - began) / REQUESTS * 1e6

    return asyncio.run(run())


def rounds_of(access: Access, pace: Pace, query: str = "width=300") -> list[float]:
    """The same in several rounds, after one that is not counted."""
    measured_us(access, query)
    return [measured_us(access, query) for _ in range(pace.rounds(ROUNDS))]


def test_keys_and_limits(report: Report, pace: Pace) -> None:
    nothing = Access(Rules(), Limiter(None, Board(1).row(0), get_logger()), Settings())
    report.note("without keys and limits", rounds_of(nothing, pace), "µs")
    rules = Rules(keys=Keys([SHOP, *OTHERS]), limits=Limits(LIMIT, None, LIMIT, None), has_limits=True)
    found = rounds_of(Access(rules, limiter(), Settings()), pace)
    report.judge_most("one key of 1001, a limit of the network and one of the key", found, "µs", at_most=60)


def test_work(report: Report, pace: Pace) -> None:
    rules = Rules(keys=Keys([SHOP]), limits=Limits(LIMIT, LIMIT, LIMIT, LIMIT), has_limits=True)
    charging = limiter()
    access = Access(rules, charging, Settings())

    async def run() -> float:
        requests = [request("width=300", BEARER) for _ in range(REQUESTS)]
        for each in requests:
            await access.process_request(each, Response())
        began = time.thread_time()
        for each in requests:
            state = each.scope[KEY]
            await charging.admit_work(state, 0.01)
            await charging.settle_work(state, 0.02)
        return (time.thread_time() - began) / REQUESTS * 1e6

    found = [asyncio.run(run()) for _ in range(pace.rounds(ROUNDS))]
    report.judge_most("two limits of work besides, the estimate and its correction", found, "µs", at_most=60)


@pytest.mark.parametrize("length", [100, 2000])
def test_signed_urls(report: Report, pace: Pace, length: int) -> None:
    url = sign(SECRET, "POST", f"/resize?width=300&source={'x' * length}", "a", 9_999_999_999)
    access = Access(Rules(secrets=Secrets({"a": SECRET})), Limiter(None, Board(1).row(0), get_logger()), Settings())
    found = rounds_of(access, pace, url.partition("?")[2])
    report.judge_most(f"a signed URL of {length} characters", found, "µs", at_most=60)
