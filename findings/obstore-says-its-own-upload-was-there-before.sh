#!/usr/bin/env bash
# A picture is put into a bucket of S3 only if there is none of its name (`obstore.put` with mode="create").  The bucket
# stores it, but the answer is lost: the connection breaks, or a proxy in between says 500.
#
# Expected: success, or an error that leaves it open.  "AlreadyExistsError" means that somebody else was first.
# What happens: obstore sends the request again, with the same If-None-Match: *, and the bucket refuses it with 412,
# because the first try was successful.  The caller is told that the picture already exists, and throws away the record
# of its own work, or reports a conflict with nobody.
# Only the bytes tell: the caller has to read the object and compare.  `retry_config={"max_retries": 0}` gives the true
# error instead.  A timeout is not retried, but leaves it open as well.
#
# Seen with CPython 3.11.7 and obstore 0.12.1:
#   500:                2 requests, AlreadyExistsError, and the bucket has the picture: True
#   connection breaks:  2 requests, AlreadyExistsError, and the bucket has the picture: True
#   500, max_retries 0: 1 requests, GenericError, and the bucket has the picture: True
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet obstore==0.12.1

"$folder/venv/bin/python" - <<'PYTHON'
import http.server
import sys
import threading

import obstore
from obstore.store import S3Store


class Bucket(http.server.BaseHTTPRequestHandler):
    """As much of S3 as a put needs: PutObject with If-None-Match, whose first answer is lost."""

    protocol_version = "HTTP/1.1"
    objects, requests, loss = {}, [], ""

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.requests.append(self.path)
        if self.headers["If-None-Match"] == "*" and self.path in self.objects:
            return self.answer(412)
        self.objects[self.path] = body
        if len(self.requests) > 1:
            return self.answer(200)
        if self.loss == "500":
            return self.answer(500)
        self.close_connection = True

    def answer(self, status):
        self.send_response(status)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
threading.Thread(target=server.serve_forever, daemon=True).start()
seen = []
for name, loss, options in (
    ("500", "500", {}),
    ("connection breaks", "", {}),
    ("500, max_retries 0", "500", {"retry_config": {"max_retries": 0}}),
):
    Bucket.objects.clear()
    Bucket.requests.clear()
    Bucket.loss = loss
    store = S3Store(
        "bucket",
        endpoint=f"http://127.0.0.1:{server.server_port}",
        access_key_id="key",
        secret_access_key="secret",
        region="us-east-1",
        client_options={"allow_http": True},
        **options,
    )
    try:
        obstore.put(store, "picture", b"pixels", mode="create", use_multipart=False)
        result = "success"
    except obstore.exceptions.BaseError as error:
        result = type(error).__name__
    stored = Bucket.objects.get("/bucket/picture") == b"pixels"
    print(f"{name + ':':19} {len(Bucket.requests)} requests, {result}, and the bucket has the picture: {stored}")
    seen.append((len(Bucket.requests), result, stored))
server.shutdown()
sys.exit(seen != [(2, "AlreadyExistsError", True)] * 2 + [(1, "GenericError", True)])
PYTHON
