#!/usr/bin/env bash
# A client announces an upload of 3 GB with `Expect: 100-continue`, as curl does for all that is larger than 1 MiB.  The
# application refuses it by its headers, with 413, and never reads the body.
#
# Expected: 413 at once.  That is what the expectation is for: the server asks for the body when it wants it (RFC 9110,
# section 10.1.1), and PEP 3333 describes how: "if/when the application first attempts to read".
# What happens: gunicorn, hypercorn and waitress say `100 Continue` as soon as they have the headers, before the
# application is asked.  So the client begins to send what is refused: waitress takes all of it before the application
# runs, the others close the connection in the middle, which many clients report instead of the 413.  PEP 3333 allows
# it, and no option changes it.  uvicorn and granian wait until the application reads.
# A check of keys or sizes before the upload therefore has to stand in the proxy.
#
# Seen with CPython 3.11.7 and uvicorn 0.54.0, granian 2.8.9, gunicorn 27.0.1, hypercorn 0.18.0, waitress 3.0.2:
#   uvicorn:   413
#   granian:   413
#   gunicorn:  100
#   hypercorn: 100
#   waitress:  100
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet uvicorn==0.54.0 granian==2.8.9 gunicorn==27.0.1 hypercorn==0.18.0 waitress==3.0.2
cat >"$folder/refusing.py" <<'PYTHON'
async def asgi(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})


def wsgi(environ, start_response):
    start_response("413 Content Too Large", [("Content-Length", "0")])
    return []
PYTHON

"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import socket
import subprocess
import sys
import time

folder = sys.argv[1]
COMMANDS = {
    "uvicorn": "uvicorn refusing:asgi --port {} --lifespan off",
    "granian": "granian --interface asgi refusing:asgi --port {}",
    "gunicorn": "gunicorn refusing:wsgi --bind 127.0.0.1:{}",
    "hypercorn": "hypercorn refusing:asgi --bind 127.0.0.1:{}",
    "waitress": "waitress-serve --listen=127.0.0.1:{} refusing:wsgi",
}


def connected(port):
    deadline = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=10)
        except OSError:
            if time.monotonic() > deadline:
                sys.exit(f"nothing listens at port {port}")
            time.sleep(0.1)


def first_status(command):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [f"{folder}/venv/bin/{word}" if place == 0 else word for place, word in enumerate(command.format(port).split())],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with connected(port) as client:
            client.sendall(b"PUT / HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\nContent-Length: 3000000000\r\n\r\n")
            return int(client.makefile("rb").readline().split()[1])
    finally:
        server.terminate()
        server.wait(20)


seen = {}
for name, command in COMMANDS.items():
    seen[name] = first_status(command)
    print(f"{name + ':':10} {seen[name]}")
sys.exit(seen != {"uvicorn": 413, "granian": 413, "gunicorn": 100, "hypercorn": 100, "waitress": 100})
PYTHON
