#!/usr/bin/env bash
# A form with a picture is posted as multipart/form-data.  The part has a Content-Type, but no file name, because the
# picture comes from memory: `requests.post(url, files={"image": (None, data, "image/png")})` sends it like this.
#
# Expected: an upload of these bytes.  RFC 7578, section 4.2: a name of the file is not mandatory where it is "not
# available, or is meaningless or private", and section 4.4: the Content-Type of the part tells what it is.
# What happens: Werkzeug (Flask), Django and WebOb (Pyramid) look at the file name alone.  Without one the picture is a
# field of text: no file is there, and the bytes are decoded as UTF-8, each that does not fit for U+FFFD.  The picture
# is lost, no error is raised, and the limits of the size of files do not apply.  Starlette (FastAPI) makes a text of
# Latin-1 of it, from which the bytes can be had back.  aiohttp and Falcon give the bytes.
#
# Seen with CPython 3.11.7 and Werkzeug 3.1.9, Django 5.2.19, WebOb 1.8.11, Starlette 1.10.0 with python-multipart 0.0.34,
# Falcon 4.4.0:
#   Werkzeug:  0 file(s); str, 128 of 256 different bytes are U+FFFD
#   Django:    0 file(s); str, 128 of 256 different bytes are U+FFFD
#   WebOb:     0 file(s); str, 128 of 256 different bytes are U+FFFD
#   Starlette: 0 file(s); str, the bytes as Latin-1
#   Falcon:    the bytes
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet werkzeug==3.1.9 django==5.2.19 webob==1.8.11 starlette==1.10.0 \
    python-multipart==0.0.34 falcon==4.4.0 requests==2.34.2

"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import io
import sys

import django
import falcon
import falcon.testing
import requests
import starlette.requests
import webob
import werkzeug.wrappers
from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest

picture = bytes(range(256))
sent = requests.Request("POST", "http://here/", files={"image": (None, picture, "image/png")}).prepare()
settings.configure(ALLOWED_HOSTS=["*"])
django.setup()


def environ():
    return {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/",
        "SERVER_NAME": "here",
        "SERVER_PORT": "80",
        "CONTENT_TYPE": sent.headers["Content-Type"],
        "CONTENT_LENGTH": sent.headers["Content-Length"],
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(sent.body),
    }


def kind(value):
    if isinstance(value, bytes):
        return "the bytes" if value == picture else "other bytes"
    if value == picture.decode("latin-1"):
        return "str, the bytes as Latin-1"
    return f"str, {value.count(chr(0xFFFD))} of {len(value)} different bytes are U+FFFD"


async def by_starlette():
    headers = [(name.lower().encode(), value.encode()) for name, value in sent.headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": headers}

    async def receive():
        return {"type": "http.request", "body": sent.body}

    async with starlette.requests.Request(scope, receive).form() as form:
        files = [value for value in form.values() if not isinstance(value, str)]
        return f"{len(files)} file(s); {kind(form['image'])}"


class Resource:
    def on_post(self, request, response):
        response.text = "".join(kind(part.get_data()) for part in request.media)


by_werkzeug = werkzeug.wrappers.Request(environ())
by_django = WSGIRequest(environ())
by_webob = webob.Request(environ())
app = falcon.App()
app.add_route("/", Resource())
by_falcon = falcon.testing.TestClient(app).simulate_post("/", body=sent.body, headers=dict(sent.headers))
files_of_webob = [value for value in by_webob.POST.values() if not isinstance(value, str)]
seen = {
    "Werkzeug": f"{len(by_werkzeug.files)} file(s); {kind(by_werkzeug.form['image'])}",
    "Django": f"{len(by_django.FILES)} file(s); {kind(by_django.POST['image'])}",
    "WebOb": f"{len(files_of_webob)} file(s); {kind(by_webob.POST['image'])}",
    "Starlette": asyncio.run(by_starlette()),
    "Falcon": by_falcon.text,
}
for name, what in seen.items():
    print(f"{name + ':':10} {what}")
garbled = "0 file(s); str, 128 of 256 different bytes are U+FFFD"
sys.exit(list(seen.values()) != [garbled, garbled, garbled, "0 file(s); str, the bytes as Latin-1", "the bytes"])
PYTHON
