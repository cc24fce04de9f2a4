#!/usr/bin/env bash
# Four clients ask nginx at once for a picture that takes its backend 50 ms.  nginx keeps answers in a cache, with
# `proxy_cache_lock on`, so that the picture is made once.
#
# Expected: the other three get it together with the first, after 50 ms: the documentation says that they "wait for a
# response to appear in the cache".
# What happens: nothing tells them.  Each looks again after 500 ms, so they wait ten times as long as the work takes; two
# requests without the lock would be quicker.  A shorter `proxy_cache_lock_timeout` makes them look at its end, once: it
# helps where the picture is ready by then, and otherwise each of them asks the backend.
# With `Vary: Accept` it is worse: the lock is that of the URL, so a client that wants WebP waits half a second for
# somebody else's AVIF, and then asks the backend for its own.
#
# Seen with nginx 1.22.1 (Debian 12); src/http/ngx_http_file_cache.c has this timer:
#   lock:                          slowest 503 ms, made 1 time(s)
#   lock with a timeout of 100 ms: slowest 102 ms, made 1 time(s)
#   lock with a timeout of 20 ms:  slowest 75 ms, made 4 time(s)
#   lock, four values of Accept:   slowest 556 ms, made 4 time(s)
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if ! command -v nginx >/dev/null; then
    (cd "$folder" && apt-get -o APT::Sandbox::User=root download -qq nginx && dpkg -x nginx_*.deb .)
    PATH=$PATH:$folder/usr/sbin
fi
nginx -v 2>&1

python3 - "$folder" <<'PYTHON'
import http.server
import pathlib
import socket
import subprocess
import sys
import threading
import time
import urllib.request

folder = pathlib.Path(sys.argv[1])
made = []


class Backend(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        made.append(self.path)
        time.sleep(0.05)
        self.send_response(200)
        self.send_header("Content-Type", "image/webp")
        self.send_header("Cache-Control", "max-age=600")
        if self.path.endswith("varied"):
            self.send_header("Vary", "Accept")
        self.send_header("Content-Length", "7")
        self.end_headers()
        self.wfile.write(b"picture")

    def log_message(self, *_):
        pass


backend = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend)
threading.Thread(target=backend.serve_forever, daemon=True).start()
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
places = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
(folder / "nginx.conf").write_text(f"""
daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors; events {{}}
http {{
    access_log off; {places}
    proxy_cache_path {folder}/cache keys_zone=pictures:1m;
    server {{
        listen 127.0.0.1:{port};
        proxy_cache pictures; proxy_cache_lock on;
        location / {{ proxy_pass http://127.0.0.1:{backend.server_port}; }}
        location /100 {{ proxy_pass http://127.0.0.1:{backend.server_port}; proxy_cache_lock_timeout 100ms; }}
        location /20 {{ proxy_pass http://127.0.0.1:{backend.server_port}; proxy_cache_lock_timeout 20ms; }}
    }}
}}
""")
nginx = subprocess.Popen(["nginx", "-e", f"{folder}/errors", "-c", f"{folder}/nginx.conf"])


def wait_for_port():
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
    sys.exit("nginx does not listen")


def burst(path, accepts):
    """The longest wait of four clients that come one after another, in ms, and how often the picture was made."""
    waits = []

    def ask(accept):
        began = time.monotonic()
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.read() == b"picture"
        waits.append(1000 * (time.monotonic() - began))

    clients = [threading.Thread(target=ask, args=(accept,)) for accept in accepts]
    for client in clients:
        client.start()
        time.sleep(0.003)
    for client in clients:
        client.join()
    return max(waits), made.count(path)


try:
    wait_for_port()
    same = ["image/webp"] * 4
    plain, later, earlier = burst("/plain", same), burst("/100", same), burst("/20", same)
    varied = burst("/varied", ["image/avif", "image/webp", "image/png", "image/jpeg"])
finally:
    nginx.terminate()
    nginx.wait(10)
    backend.shutdown()
for name, (wait, count) in (
    ("lock:                         ", plain),
    ("lock with a timeout of 100 ms:", later),
    ("lock with a timeout of 20 ms: ", earlier),
    ("lock, four values of Accept:  ", varied),
):
    print(f"{name} slowest {wait:.0f} ms, made {count} time(s)")
sys.exit(not (plain[0] > 400 and plain[1] == 1 and later[0] < 400 and later[1] == 1 < earlier[1] and varied[0] > 450 and varied[1] == 4))
PYTHON
