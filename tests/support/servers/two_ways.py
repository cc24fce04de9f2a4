"""Requests that go the short way and that of the app: their answers, counts and log lines, to be compared."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from serving import Server, wait_until
from wire import Answer, ask, head

OK = 200


def check_alike(short: Answer, long: Answer) -> None:
    """Fail if one way gives another answer than the other.  The headers of a picture have one order, too."""
    assert short.status == long.status, (short.body, long.body)
    assert lasting(short.headers) == lasting(long.headers)
    if short.status == OK:
        assert list(short.headers) == list(long.headers)
    assert short.body == long.body


def lasting(headers: dict[str, str]) -> dict[str, str]:
    """The headers, with the same times and counts in all answers."""
    varying = ("date", "server-timing", "ratelimit", "retry-after")
    return {
        name: re.sub(r"dur=[0-9.]+|[rt]=[0-9]+|[0-9:]{8}|^[0-9]+$", "…", value) if name in varying else value
        for name, value in headers.items()
    }


def counted_and_logged(
    server: Server, requests: Iterable[Callable[[], object]]
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """What the requests change in the metrics, and their lines in the log without what differs each time."""
    before, seen, count = metrics(server), len(server.named("request")), 0
    for request in requests:
        request()
        count += 1
    after = metrics(server)
    wait_until(lambda: len(_own(server, seen)) == count, "every request is in the log")
    changed = {name: after[name] - before.get(name, 0) for name in after if _counts(name)}
    own = [{name: value for name, value in event.items() if not _varies(name)} for event in _own(server, seen)]
    return changed, own


def metrics(server: Server) -> dict[str, float]:
    """All metrics of the server by their names with labels."""
    lines = ask(server, head("/metrics", method="GET")).body.decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def _own(server: Server, seen: int) -> list[dict[str, Any]]:
    return [event for event in server.named("request")[seen:] if event["path"] != "/metrics"]


def _varies(name: str) -> bool:
    return name in ("path", "request_id", "timestamp", "time", "ts", "ms") or name.endswith("_ms")


def _counts(name: str) -> bool:
    """Counts of requests, pictures and bytes; not of times."""
    return "_total" in name and not re.search("seconds|beats|predict|response_body|_cpu|log", name)
