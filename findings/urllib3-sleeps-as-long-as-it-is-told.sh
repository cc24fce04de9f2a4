#!/usr/bin/env bash
# A busy image server answers 503 with `Retry-After: 2`.  A client asks by `urllib3.request` with a timeout of 0.5 s, and
# has not asked for any retries.
#
# Expected: the 503 after a moment.  The documentation of `Retry` lists the statuses that are retried under
# `status_forcelist`, which is empty by default; and nothing takes longer than the timeout.
# What happens: a 413, 429 or 503 with a Retry-After is retried all the same, three times, after sleeping as long as the
# server says, with the thread.  `respect_retry_after_header`, which is on by default, is named as the cause.  The
# timeout does not cover the sleep, so a server that says an hour gets three; six hours a time are the limit.  PUT sends
# the whole picture each time, also after 413, which says that it is too large.  POST is not retried.
# `retries=Retry(respect_retry_after_header=False)` or `retries=False` ends it.  requests passes no retries to urllib3,
# but sessions with `HTTPAdapter(max_retries=3)` get the same.
#
# Seen with CPython 3.11.7 and urllib3 2.8.0:
#   GET  503: 4 requests, 6 s
#   PUT  413: 4 requests, 6 s
#   POST 503: 1 requests, 0 s
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet urllib3==2.8.0

"$folder/venv/bin/python" - <<'PYTHON'
import http.server
import sys
import threading
import time

import urllib3

asked = []


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        asked.append(len(body))
        self.send_response(int(self.path[1:]))
        self.send_header("Retry-After", "2")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_PUT = do_POST = do_GET

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
seen = []
for method, status in (("GET", 503), ("PUT", 413), ("POST", 503)):
    asked.clear()
    began = time.monotonic()
    body = None if method == "GET" else b"picture"
    answer = urllib3.request(method, f"http://127.0.0.1:{server.server_port}/{status}", body=body, timeout=0.5)
    taken = time.monotonic() - began
    print(f"{method:4} {status}: {len(asked)} requests, {taken:.0f} s")
    seen.append((answer.status, len(asked), taken > 5))
server.shutdown()
sys.exit(seen != [(503, 4, True), (413, 4, True), (503, 1, False)])
PYTHON
