#!/usr/bin/env bash
# A picture lies in a memory file (memfd_create) and goes to a client by `os.sendfile`.  When sendfile has returned, the
# file is used again for the next picture.
#
# Expected: sendfile returned the number of bytes that were sent, so the client gets these bytes.
# What happens: the socket holds the pages, not a copy.  What is written into the file later, while the client has not
# read yet, reaches the client: it gets the next picture under the headers and the ETag of this one.  Shortened by a few
# bytes, the file sends zeros in their place.  sendfile(2) asks in its notes that the file stays as it is until the
# other end has consumed the data; no call tells when that is.  The same goes for a Unix socket.
# What is safe is `os.ftruncate(file, 0)` before writing anew: the file gets new pages, and the old ones go to the client.
#
# Seen with CPython 3.11.7 on Linux 6.18 (as the notes of sendfile(2) say, for any kernel with zero-copy sockets):
#   written over:        65536 bytes of the next picture
#   emptied and written: 65536 bytes of the picture
#   shortened by 1500:   64036 bytes of the picture, then 1500 zeros
set -euo pipefail

python3 - <<'PYTHON'
import os
import socket
import sys

SIZE = 65536


def connection():
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        return server.accept()[0], client


def received(change):
    """What a client reads that reads only after the file was changed."""
    inside, outside = connection()
    outside.settimeout(10)
    file = os.memfd_create("picture")
    os.pwrite(file, b"1" * SIZE, 0)
    assert os.sendfile(inside.fileno(), file, 0, SIZE) == SIZE
    change(file)
    data = b""
    while len(data) < SIZE:
        data += outside.recv(SIZE)
    inside.close()
    outside.close()
    os.close(file)
    return data


def emptied(file):
    os.ftruncate(file, 0)
    os.pwrite(file, b"2" * SIZE, 0)


over = received(lambda file: os.pwrite(file, b"2" * SIZE, 0))
anew = received(emptied)
cut = received(lambda file: os.ftruncate(file, SIZE - 1500))
print("written over:       ", over.count(b"2"), "bytes of the next picture")
print("emptied and written:", anew.count(b"1"), "bytes of the picture")
print("shortened by 1500:  ", cut.count(b"1"), "bytes of the picture, then", cut.count(b"\0"), "zeros")
sys.exit((over, anew, cut) != (b"2" * SIZE, b"1" * SIZE, b"1" * (SIZE - 1500) + b"\0" * 1500))
PYTHON
