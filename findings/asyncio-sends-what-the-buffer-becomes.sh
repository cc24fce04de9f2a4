#!/usr/bin/env bash
# A picture lies in a bytearray that is used again for the next one, as soon as `transport.write` has returned.
#
# Expected: the peer gets the picture that was written.  `WriteTransport.write` "buffers the data", and up to CPython
# 3.11 it copied what the socket did not take at once.
# What happens: from CPython 3.12 on, and in uvloop, the transport keeps a view of the bytearray.  The peer gets the
# beginning of one picture and the rest of another, and no error tells it.  A bytearray that is emptied or made longer
# meanwhile raises BufferError, at the place that owns it.
# What is handed over has to be bytes, or a buffer that nobody touches until the transport has sent everything;
# `drain` is no sign of that, because it already returns when little enough is left.
#
# Seen with CPython 3.11.7, 3.12.1 and 3.13.0 and uvloop 0.23.0 on Linux 6.18 (how much is sent at once varies):
#   asyncio 3.11: 4000000 bytes of the picture, 0 of the next one
#   asyncio 3.12: 219264 bytes of the picture, 3780736 of the next one
#   uvloop:       219264 bytes of the picture, 3780736 of the next one
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet uvloop==0.23.0

"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import socket
import sys

import uvloop

SIZE = 4_000_000


async def sent():
    """How many bytes of the picture arrive, and how many of the one after it."""
    inside, outside = socket.socketpair()
    inside.setblocking(False)
    outside.setblocking(False)
    loop = asyncio.get_running_loop()
    transport, _protocol = await loop.create_connection(asyncio.Protocol, sock=inside)
    picture = bytearray(b"1" * SIZE)
    transport.write(picture)
    picture[:] = b"2" * SIZE
    arrived = bytearray()
    while len(arrived) < SIZE:
        arrived += await asyncio.wait_for(loop.sock_recv(outside, 1 << 20), 10)
    transport.close()
    return arrived.count(b"1"), arrived.count(b"2")


python = f"{sys.version_info.major}.{sys.version_info.minor}"
by_asyncio = asyncio.run(sent())
loop = uvloop.new_event_loop()
by_uvloop = loop.run_until_complete(sent())
loop.close()
for name, (right, wrong) in ((f"asyncio {python}", by_asyncio), ("uvloop", by_uvloop)):
    print(f"{name}: {right} bytes of the picture, {wrong} of the next one")
sys.exit((by_asyncio[1] > 0, by_uvloop[1] > 0) != (sys.version_info >= (3, 12), True))
PYTHON
