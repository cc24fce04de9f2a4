#!/usr/bin/env bash
# A message with a descriptor that `socket.recv_fds` only looks at, with MSG_PEEK.
#
# Expected: the message is there at the next call, as the documentation of `recv_fds(sock, bufsize, maxfds[, flags])`
# refers to `recvmsg` for its parameters.
# What happens: the message is gone.  The function never passes `flags` on, so MSG_PEEK takes the message, MSG_DONTWAIT
# waits, and so on.  No error tells it.  `recvmsg` with the same flags leaves the message where it is.
#
# Seen with CPython 3.9.18, 3.10.13, 3.11.7, 3.12.1 and 3.13.0 on Linux 6.18:
#   recvmsg: looked at 2 time(s), then taken
#   recv_fds: looked at 1 time(s), then gone
set -euo pipefail

python3 - <<'PYTHON'
import os
import socket
import sys


def looks(peek):
    """How often a message can be looked at, up to twice, and whether it can be taken after that."""
    inside, outside = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    outside.setblocking(False)
    file = os.memfd_create("finding")
    socket.send_fds(inside, [b"note"], [file])
    seen = 0
    for _ in range(2):
        try:
            peek(outside)
            seen += 1
        except BlockingIOError:
            break
    try:
        return seen, bool(outside.recv(4))
    except BlockingIOError:
        return seen, False


space = socket.CMSG_LEN(4)
right = looks(lambda end: end.recvmsg(4, space, socket.MSG_PEEK))
wrong = looks(lambda end: socket.recv_fds(end, 4, 1, socket.MSG_PEEK))
print(f"recvmsg: looked at {right[0]} time(s), then {'taken' if right[1] else 'gone'}")
print(f"recv_fds: looked at {wrong[0]} time(s), then {'taken' if wrong[1] else 'gone'}")
sys.exit(0 if (right, wrong) == ((2, True), (1, False)) else "this has changed")
PYTHON
