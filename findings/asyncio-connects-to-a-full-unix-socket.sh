#!/usr/bin/env bash
# A client connects to a Unix socket whose queue of connections is full for a moment, as it is when every worker of a
# server is busy.
#
# Expected: the client waits for its turn, as it does with TCP.  `open_unix_connection` returns when there is a
# connection, and a socket with a timeout raises TimeoutError after it (documentation of `socket.settimeout`).
# What happens: connect(2) says that a Unix socket which does not block fails with EAGAIN, not EINPROGRESS, and there is
# nothing to wait for.
# asyncio takes EAGAIN for EINPROGRESS: it gives out a connection that is none, and stays none when the queue has room.
# The first use fails, with "Invalid argument" or "Connection lost", which looks as if the server had died.  A socket
# with a timeout of 5 s raises BlockingIOError at once.  uvloop raises the same, which is at least true.
# A client has to try again by itself, or to connect in a thread, by a socket that blocks.
#
# Seen with CPython 3.9.18, 3.11.7, 3.12.1 and 3.13.0 on Linux 6.18, and uvloop 0.23.0:
#   asyncio: connected, but the first use fails (OSError: [Errno 22] Invalid argument)
#   uvloop: BlockingIOError
#   socket with a timeout of 5 s: BlockingIOError
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet uvloop==0.23.0

"$folder/venv/bin/python" - "$folder/socket" <<'PYTHON'
import asyncio
import socket
import sys

import uvloop

path = sys.argv[1]
server = socket.socket(socket.AF_UNIX)
server.bind(path)
server.listen(0)  # the kernel keeps one more than this


async def open_connection():
    """What becomes of a connection that is opened while another one fills the queue."""
    filler = socket.socket(socket.AF_UNIX)
    filler.connect(path)
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_unix_connection(path), 5)
    except BlockingIOError:
        return "BlockingIOError"
    finally:
        server.accept()[0].close()  # from here on the queue has room
        filler.close()
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        await writer.drain()
        await asyncio.wait_for(reader.read(1), 5)
    except OSError as error:
        print(f"asyncio: connected, but the first use fails ({type(error).__name__}: {error})")
        return "unusable"
    return "connected"


by_asyncio = asyncio.run(open_connection())
loop = uvloop.new_event_loop()
by_uvloop = loop.run_until_complete(open_connection())
loop.close()

filler = socket.socket(socket.AF_UNIX)
filler.connect(path)
client = socket.socket(socket.AF_UNIX)
client.settimeout(5)
try:
    client.connect(path)
    by_timeout = "connected"
except OSError as error:
    by_timeout = type(error).__name__

print("uvloop:", by_uvloop)
print("socket with a timeout of 5 s:", by_timeout)
sys.exit((by_asyncio, by_uvloop, by_timeout) != ("unusable", "BlockingIOError", "BlockingIOError"))
PYTHON
