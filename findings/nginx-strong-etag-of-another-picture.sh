#!/usr/bin/env bash
# nginx serves a folder of pictures.  One is replaced by another of the same size, within a second or with the time of
# the old file: bitmaps, uncompressed TIFFs and raw thumbnails of one size always have as many bytes, and images of
# containers, archives and `cp -p` often set one time for all files.
#
# Expected: a strong ETag differs whenever the bytes differ (RFC 9110, section 8.8.1), and fractions of a second count.
# What happens: it is made of the size and of the whole seconds of the time, and is not marked as weak.  So the old
# picture is confirmed with 304, and a download that is resumed with If-Range gets the second half of the new picture
# behind the first half of the old one, with 206 and no error.
# RFC 9110, section 8.8.2.2, allows a time as a strong validator only a second after it, and nginx does not wait.
#
# Seen with nginx 1.22.1 (Debian 12):
#   ETag "3b9aca00-8", then "3b9aca00-8"
#   If-None-Match: 304
#   If-Range, from the fifth byte: 206, together b'old new!'
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if ! command -v nginx >/dev/null; then
    (cd "$folder" && apt-get -o APT::Sandbox::User=root download -qq nginx && dpkg -x nginx_*.deb .)
    PATH=$PATH:$folder/usr/sbin
fi
nginx -v 2>&1

python3 - "$folder" <<'PYTHON'
import os
import pathlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

folder = pathlib.Path(sys.argv[1])
folder.chmod(0o755)
picture = folder / "picture.bmp"
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
places = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
(folder / "nginx.conf").write_text(f"""
daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors; events {{}}
http {{ access_log off; {places} server {{ listen 127.0.0.1:{port}; root {folder}; }} }}
""")


def get(**headers):
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/{picture.name}", headers=sent)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers["ETag"], answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["ETag"], b""


def replace(data, when):
    """Put another file in the place of the picture, as careful programs do."""
    fresh = folder / "fresh"
    fresh.write_bytes(data)
    os.utime(fresh, (when, when))
    fresh.rename(picture)


nginx = subprocess.Popen(["nginx", "-e", f"{folder}/errors", "-c", f"{folder}/nginx.conf"])
try:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            if time.monotonic() > deadline:
                sys.exit("nginx does not listen")
            time.sleep(0.05)
    replace(b"old old!", 1_000_000_000.1)
    _, old, first = get()
    replace(b"new new!", 1_000_000_000.9)
    _, new, _ = get()
    confirmed = get(If_None_Match=old)[0]
    resumed, _, rest = get(If_Range=old, Range="bytes=4-")
finally:
    nginx.terminate()
    nginx.wait(10)
print(f"ETag {old}, then {new}")
print(f"If-None-Match: {confirmed}")
print(f"If-Range, from the fifth byte: {resumed}, together {first[:4] + rest}")
sys.exit((old, confirmed, resumed, first[:4] + rest) != (new, 304, 206, b"old new!"))
PYTHON
