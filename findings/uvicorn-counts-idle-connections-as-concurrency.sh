#!/usr/bin/env bash
# An image server whose requests each need a core runs on uvicorn with `--limit-concurrency`, set to the number of cores.
#
# Expected: so many requests run at once, and more get 503; the documentation says "maximum number of concurrent
# connections or tasks to allow".
# What happens: every open connection counts, also one that is idle between two requests, as browsers and proxies keep
# them for seconds.  Two idle browsers therefore keep a server with a limit of 2 from answering anybody, while no
# request runs.  The request that asks counts as well: a limit of 2 lets one request through, and with a limit of 1
# each request there is gets 503.
#
# Seen with CPython 3.11.7 and uvicorn 0.54.0:
#   limit 1: nobody else is connected: 503
#   limit 2: nobody else is connected: 200, one idle connection: 503
#   limit 3: nobody else is connected: 200, one idle connection: 200, two idle connections: 503
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet uvicorn==0.54.0

"$folder/venv/bin/python" - <<'PYTHON'
import http.client
import socket
import sys
import threading
import time

import uvicorn


async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition():
        if time.monotonic() > deadline:
            sys.exit("waited in vain")
        time.sleep(0.02)


def statuses(limit):
    """The status that one more client gets, beside 0, 1 … idle connections, until it is 503."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        config = uvicorn.Config(app, limit_concurrency=limit, lifespan="off", log_level="critical")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        wait_for(lambda: server.started)
        seen, idle = [], []
        while len(seen) <= limit and 503 not in seen:
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            client.request("GET", "/", headers={"Connection": "close"})
            seen.append(client.getresponse().status)
            client.close()
            wait_for(lambda: len(server.server_state.connections) == len(idle))
            idle.append(socket.create_connection(("127.0.0.1", port)))
            wait_for(lambda: len(server.server_state.connections) == len(idle))
        for one in idle:
            one.close()
        server.should_exit = True
        thread.join(20)
    return seen


expected = {1: [503], 2: [200, 503], 3: [200, 200, 503]}
found = {limit: statuses(limit) for limit in expected}
names = ("nobody else is connected", "one idle connection", "two idle connections")
for limit, seen in found.items():
    print(f"limit {limit}:", ", ".join(f"{name}: {status}" for name, status in zip(names, seen)))
sys.exit(found != expected)
PYTHON
