#!/usr/bin/env bash
# A limit of requests is kept in Redis by INCR.  Redis is busy for two seconds, as it is with a large script or while it
# forks, and the client has a timeout of 0.3 s.
#
# Expected: one call of `incr` counts at most once, and raises TimeoutError if it is not known whether it did.
# What happens: since redis-py 6 a client tries again after a timeout, up to ten times in redis-py 8, unless it is told
# otherwise (`retry`), whatever the command.  A command that timed out has been sent: Redis reads and executes it later, although
# its connection is closed by then.  One request of a client counts several times.  The same happens with LPUSH, and
# with scripts and transactions that count.  Only the number that INCR returns gives it away.
# A client that counts needs `retry=Retry(NoBackoff(), 0)`.
#
# Seen with redis-py 8.1.0 and Redis 7.0.15 (Debian 12; the pauses between the tries are random):
#   retry by default: incr returns 2, and the counter is 2
#   retry=Retry(NoBackoff(), 0): TimeoutError, and the counter is 1
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if ! command -v redis-server >/dev/null; then
    (cd "$folder" && apt-get -o APT::Sandbox::User=root download -qq redis-tools liblzf1 libjemalloc2 && for package in *.deb; do dpkg -x "$package" .; done)
    ln -s redis-check-rdb "$folder/usr/bin/redis-server"
    export PATH=$PATH:$folder/usr/bin LD_LIBRARY_PATH=$folder/usr/lib/$(uname -m)-linux-gnu
fi
redis-server --version
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet redis==8.1.0

"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import subprocess
import sys
import threading
import time

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

path = f"{sys.argv[1]}/socket"
server = subprocess.Popen(
    ["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--enable-debug-command", "yes"],
    cwd=sys.argv[1],
    stdout=subprocess.DEVNULL,
)


def counted(name, **options):
    """What a call of incr says while Redis is busy, and what the counter says afterwards."""
    client = redis.Redis(unix_socket_path=path, socket_timeout=0.3, **options)
    client.ping()
    busy = threading.Thread(target=patient.execute_command, args=("DEBUG", "SLEEP", "2"))
    busy.start()
    time.sleep(0.1)
    try:
        says = f"incr returns {client.incr(name)}"
    except redis.exceptions.TimeoutError:
        says = "TimeoutError"
    busy.join()
    deadline = time.monotonic() + 5
    while patient.get(name) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return says, int(patient.get(name) or 0)


try:
    patient = redis.Redis(unix_socket_path=path, socket_timeout=10)
    deadline = time.monotonic() + 10
    while True:
        try:
            patient.ping()
            break
        except redis.exceptions.ConnectionError:
            if time.monotonic() > deadline:
                sys.exit("redis-server does not answer")
            time.sleep(0.1)
    by_default, never = counted("default"), counted("never", retry=Retry(NoBackoff(), 0))
finally:
    server.terminate()
    server.wait(10)
print(f"retry by default: {by_default[0]}, and the counter is {by_default[1]}")
print(f"retry=Retry(NoBackoff(), 0): {never[0]}, and the counter is {never[1]}")
sys.exit(not (by_default[1] > 1 and never == ("TimeoutError", 1)))
PYTHON
