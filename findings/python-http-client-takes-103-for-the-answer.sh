#!/usr/bin/env bash
# A server sends `103 Early Hints` and makes a picture meanwhile, or a proxy in front of it does, as HAProxy and CDNs can.
#
# Expected: the client reads on to the 200: "A client MUST be able to parse one or more 1xx responses received prior to a
# final response, even if the client does not expect one" (RFC 9110, section 15.2).
# What happens: `http.client` passes over 100 and nothing else.  urllib3 and requests, which are built on it, return the
# status 103 with an empty body, and `raise_for_status` finds nothing wrong with it.  The picture is still to come, and
# the connection goes back to the pool: if the next request is sent before the picture comes, it gets the picture of
# the request before it.
# httpx and curl read on.
#
# Seen with CPython 3.11.7, requests 2.34.2, urllib3 2.8.0 and httpx 0.28.1:
#   requests: /1 gives 103 b''
#   requests: /2 gives 200 b'picture of /1'
#   httpx:    /1 gives 200 b'picture of /1'
#   httpx:    /2 gives 200 b'picture of /2'
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet requests==2.34.2 urllib3==2.8.0 httpx==0.28.1

"$folder/venv/bin/python" - <<'PYTHON'
import http.server
import sys
import threading
import time

import httpx
import requests


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b"picture of " + self.path.encode()
        if self.path == "/1":
            self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </font>; rel=preload; as=font\r\n\r\n")
            time.sleep(0.5)  # the picture is made
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
seen = {}
for name, client in (("requests", requests.Session()), ("httpx", httpx.Client())):
    for path in ("/1", "/2"):
        answer = client.get(f"http://127.0.0.1:{server.server_port}{path}", timeout=10)
        if name == "requests":
            answer.raise_for_status()
        seen[name, path] = answer.status_code, answer.content
        print(f"{name + ':':9} {path} gives {answer.status_code} {answer.content}")
server.shutdown()
sys.exit(
    seen
    != {
        ("requests", "/1"): (103, b""),
        ("requests", "/2"): (200, b"picture of /1"),
        ("httpx", "/1"): (200, b"picture of /1"),
        ("httpx", "/2"): (200, b"picture of /2"),
    }
)
PYTHON
