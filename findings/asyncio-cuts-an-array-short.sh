#!/usr/bin/env bash
# A picture of 1000×1000 pixels in three channels is written to an asyncio transport as `memoryview(array)`, without a
# copy.  Its view has three dimensions; the buffer is contiguous.
#
# Expected: all 3,000,000 bytes arrive, or a TypeError, as `WriteTransport.write` accepts bytes-like objects.
# What happens: the transport takes from the view by `data[sent:]`, where `sent` are bytes but the view counts rows.
# As soon as the socket takes more bytes than there are rows, nothing seems to be left: the rest is never sent, no error
# is raised, and the connection goes on with the next answer.  Small pictures fit into the socket at once, and pass
# every test.  With a width instead of a height above the bytes sent, pixels would come twice.
# `memoryview(array).cast("B")` is right, and uvloop is right.  Fixed in later releases (python/cpython#135862), but
# not in those of 3.11 and 3.12, which only get security fixes.
#
# Seen with CPython 3.9.18, 3.11.7, 3.12.1 and 3.13.0 and uvloop 0.23.0 on Linux 6.18 (how much is sent at once varies):
#   asyncio: 219264 of 3000000 bytes
#   asyncio, cast to bytes: 3000000 of 3000000 bytes
#   uvloop: 3000000 of 3000000 bytes
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet uvloop==0.23.0 numpy==2.4.6

"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import socket
import sys

import numpy as np
import uvloop

picture = np.zeros((1000, 1000, 3), np.uint8)


async def arrives(view):
    """How many bytes come before the end of the stream."""
    inside, outside = socket.socketpair()
    inside.setblocking(False)
    outside.setblocking(False)
    loop = asyncio.get_running_loop()
    transport, _protocol = await loop.create_connection(asyncio.Protocol, sock=inside)
    transport.write(view)
    transport.write_eof()
    count = 0
    while more := await asyncio.wait_for(loop.sock_recv(outside, 1 << 20), 10):
        count += len(more)
    transport.close()
    return count


by_asyncio = asyncio.run(arrives(memoryview(picture)))
by_bytes = asyncio.run(arrives(memoryview(picture).cast("B")))
loop = uvloop.new_event_loop()
by_uvloop = loop.run_until_complete(arrives(memoryview(picture)))
loop.close()
for name, count in (("asyncio", by_asyncio), ("asyncio, cast to bytes", by_bytes), ("uvloop", by_uvloop)):
    print(f"{name}: {count} of {picture.nbytes} bytes")
sys.exit(not (by_asyncio < by_bytes == by_uvloop == picture.nbytes))
PYTHON
