#!/usr/bin/env bash
# A picture lies in a memory file without any mapping.  It is sent by `os.sendfile`, and then sealed against writing
# (F_SEAL_WRITE), so that it can be shared with other processes.
#
# Expected: the seal is set at once.  fcntl(2) knows one reason for EBUSY: "there exists a writable, shared mapping".
# What happens: as long as a page of the file waits in the queue of a socket, the kernel takes it for one that a device
# may still write to.  It looks again several times, which holds up the caller for about 0.15 s, with the event loop if
# that is its thread, and then fails with EBUSY.  So one slow client keeps a picture from being sealed.
# F_SEAL_FUTURE_WRITE does not look at pages, and can be set; a seal set before the first byte is sent, too.
#
# Seen with CPython 3.11.7 on Linux 6.18 (mm/memfd.c has looked for such pages since F_SEAL_WRITE came, in Linux 3.17):
#   F_SEAL_WRITE while a client reads nothing: EBUSY after 0.17 s
#   F_SEAL_FUTURE_WRITE meanwhile: set after 0.00 s
#   F_SEAL_WRITE when the client has read: set after 0.00 s
set -euo pipefail

python3 - <<'PYTHON'
import errno
import fcntl
import os
import socket
import sys
import time

SIZE = 65536
FUTURE_WRITE = 0x0010  # F_SEAL_FUTURE_WRITE of linux/fcntl.h, Linux 5.1

with socket.create_server(("127.0.0.1", 0)) as server:
    client = socket.create_connection(server.getsockname())
    inside = server.accept()[0]
client.settimeout(10)
file = os.memfd_create("picture", os.MFD_ALLOW_SEALING)
os.pwrite(file, b"1" * SIZE, 0)
assert os.sendfile(inside.fileno(), file, 0, SIZE) == SIZE


def seal(kind, name):
    began = time.monotonic()
    try:
        fcntl.fcntl(file, fcntl.F_ADD_SEALS, kind)
        result = "set"
    except OSError as error:
        result = errno.errorcode[error.errno]
    taken = time.monotonic() - began
    print(f"{name}: {result} after {taken:.2f} s")
    return result, taken


early, wait = seal(fcntl.F_SEAL_WRITE, "F_SEAL_WRITE while a client reads nothing")
future, _ = seal(FUTURE_WRITE, "F_SEAL_FUTURE_WRITE meanwhile")
left = SIZE
while left:
    left -= len(client.recv(left))
late, _ = seal(fcntl.F_SEAL_WRITE, "F_SEAL_WRITE when the client has read")
sys.exit((early, wait > 0.05, future, late) != ("EBUSY", True, "set", "set"))
PYTHON
