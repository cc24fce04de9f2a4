"""A closed-loop load: keep-alive connections that each send the next request when the last is answered.

It checks every answer against the first and measures its own share of the processor, so that it cannot be the
bottleneck in silence.
"""

from __future__ import annotations

import http.client
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field


@dataclass
class Load:
    """What a load found.  cpu_share: of one core, spent by the load itself."""

    rate: float = 0.0
    cpu_share: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def closed_loop(port: int, path: str, body: bytes, connections: int, seconds: float) -> Load:
    """Keep `connections` busy for `seconds`."""
    found = Load()
    with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        expected = _ask(connection, path, body)
    end = time.monotonic() + seconds
    threads = [
        threading.Thread(target=_keep_asking, args=(found, port, path, body, expected, end)) for _ in range(connections)
    ]
    started, cpu = time.monotonic(), time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.monotonic() - started
    found.rate = len(found.latencies_s) / elapsed
    found.cpu_share = (time.process_time() - cpu) / elapsed
    return found


def _keep_asking(found: Load, port: int, path: str, body: bytes, expected: bytes, end: float) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        while time.monotonic() < end:
            began = time.monotonic()
            try:
                answer = _ask(connection, path, body)
            except (OSError, http.client.HTTPException) as error:
                found.failures.append(repr(error))
                return
            found.latencies_s.append(time.monotonic() - began)
            if answer != expected:
                found.failures.append(f"another answer of {len(answer)} bytes: {answer[:100]!r}")


def _ask(connection: http.client.HTTPConnection, path: str, body: bytes) -> bytes:
    connection.request("POST", path, body)
    answer = connection.getresponse().read()
    assert answer
    return answer
