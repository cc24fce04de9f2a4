#!/usr/bin/env bash
# A socket already listens with room for 1000 connections in its queue: systemd made it (Backlog=), or the master of a
# server that shares it with its workers.  A worker hands it to `loop.create_server(sock=…)`.
#
# Expected: the queue stays as it is.  The documentation says of `sock` that it is a "preexisting socket object", and of
# `backlog` that it goes to `listen()`, which was called long ago.
# What happens: `listen` is called again, with 100 unless `backlog` is given, and that is the new length for everybody
# who shares the socket, also for a socket of systemd.  A burst of more clients waits a second for the next SYN.
# The last one who calls `listen` decides, so a worker that starts late changes it once more.
# uvloop, `asyncio.start_server` and `start_unix_server` do the same; aiohttp's SockSite has 128.
#
# Seen with CPython 3.9.18, 3.11.7, 3.12.1 and 3.13.0 and uvloop 0.23.0 on Linux 6.18:
#   asyncio: 1000 before, 100 after
#   uvloop: 1000 before, 100 after
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet uvloop==0.23.0

"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import socket
import struct
import sys

import uvloop

WISHED = 1000
with open("/proc/sys/net/core/somaxconn") as limit:
    if int(limit.read()) < WISHED:
        sys.exit("net.core.somaxconn is too low to see it")


def longest_queue(listening):
    """What `listen` was told: of a listening socket the kernel gives it as tcpi_sacked (linux/tcp.h, 8 bytes, 5 words)."""
    return struct.unpack_from("=I", listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 8 + 5 * 4)[0]


async def before_and_after():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(WISHED)
        before = longest_queue(listening)
        server = await asyncio.get_running_loop().create_server(asyncio.Protocol, sock=listening)
        after = longest_queue(listening)
        server.close()
        return before, after


by_asyncio = asyncio.run(before_and_after())
loop = uvloop.new_event_loop()
by_uvloop = loop.run_until_complete(before_and_after())
loop.close()
for name, (before, after) in (("asyncio", by_asyncio), ("uvloop", by_uvloop)):
    print(f"{name}: {before} before, {after} after")
sys.exit((by_asyncio, by_uvloop) != ((WISHED, 100),) * 2)
PYTHON
