#!/usr/bin/env bash
# A picture is uploaded as it is made, by a generator, and a balancer sends the client on to the right server with 307.
#
# Expected: the second server gets the picture too, as 307 asks for the same request (RFC 9110, section 15.4.8), or an
# error says that it cannot be sent again; requests has UnrewindableBodyError for this.
# What happens: requests looks for `tell` to know whether a body can be wound back, and takes a generator, which has
# none, for one that need not be.  It sends the used up generator again: an empty body, chunked, without an error.
# The second server is free to answer 200 to it.  So is one behind 308.
# httpx and aiohttp raise an error.  With bytes, or an open file, requests sends the picture again.
#
# Seen with CPython 3.11.7 and requests 2.34.2, httpx 0.28.1, aiohttp 3.14.5:
#   requests: 200; first server: 100000 bytes, second server: 0 bytes
#   httpx:    StreamConsumed
#   aiohttp:  ClientPayloadError
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet requests==2.34.2 httpx==0.28.1 aiohttp==3.14.5

"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import http.server
import sys
import threading

import aiohttp
import httpx
import requests

received = []


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        size = 0
        assert self.headers["Transfer-Encoding"] == "chunked"
        while more := int(self.rfile.readline() or b"0", 16):  # a client that gives up sends no line
            size += len(self.rfile.read(more))
            self.rfile.readline()
        self.rfile.readline()
        received.append((self.path, size))
        self.send_response(307 if self.path == "/first" else 200)
        self.send_header("Location", "/second")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/first"


def rows():
    for _ in range(10):
        yield bytes(10_000)


async def rows_later():
    for row in rows():
        yield row


async def by_aiohttp():
    async with aiohttp.ClientSession() as session, session.put(url, data=rows_later()) as answer:
        return answer.status


status = requests.put(url, data=rows(), timeout=10).status_code
seen = list(received)
print(f"requests: {status}; first server: {seen[0][1]} bytes, second server: {seen[1][1]} bytes")
errors = []
for name, call in (
    ("httpx", lambda: httpx.put(url, content=rows(), follow_redirects=True, timeout=10)),
    ("aiohttp", lambda: asyncio.run(by_aiohttp())),
):
    try:
        result = str(call())
    except (httpx.StreamError, aiohttp.ClientError) as error:
        result = type(error).__name__
    print(f"{name + ':':9} {result}")
    errors.append(result)
server.shutdown()
sys.exit(
    (status, seen, errors) != (200, [("/first", 100_000), ("/second", 0)], ["StreamConsumed", "ClientPayloadError"])
)
PYTHON
