#!/usr/bin/env bash
# A progressive JPEG is written by one thread while another thread only wants to run.
#
# Expected: Pillow's codecs give up the interpreter's lock while they work, as its C code does for decoding, and a file
# object in memory and a file on disk behave in the same way.
# What happens: written to io.BytesIO, the whole encoding holds the lock in one piece, because the encoder hands out its
# data by calls that keep it, and a progressive JPEG has no data before its last scan.  Written to a file with a
# descriptor (a memory file of memfd_create will do), Pillow calls another function, which gives the lock up.
# A server that encodes in a thread beside its event loop can avoid the pause by encoding into such a file.
#
# Seen with Python 3.11 and pillow 13.0.0, 4 megapixels of noise (times vary with the machine):
#   into BytesIO: 146 ms of encoding, another thread had to wait 145 ms of them at once
#   into a file:  148 ms of encoding, another thread had to wait 6 ms of them at once
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0

"$folder/venv/bin/python" - <<'PYTHON'
import io
import os
import sys
import threading
import time

from PIL import Image

picture = Image.frombytes("RGB", (2000, 2000), os.urandom(12_000_000))
sys.setswitchinterval(0.0005)


def longest_wait(target):
    """The processor seconds of an encoding, and how many of them passed at most between two turns of another thread."""
    clock = time.pthread_getcpuclockid(threading.get_ident())
    seen, over = [], threading.Event()

    def watch():
        while not over.is_set():
            seen.append(time.clock_gettime(clock))
            time.sleep(0.0005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.thread_time()
    picture.save(target, "JPEG", quality=80, progressive=True)
    taken = time.thread_time() - began
    over.set()
    watcher.join()
    seen.append(time.clock_gettime(clock))
    return taken, max(after - before for before, after in zip(seen, seen[1:]))


shares = {}
for name, target in (("BytesIO", io.BytesIO), ("a file", lambda: os.fdopen(os.memfd_create("jpeg"), "wb"))):
    taken, wait = min((longest_wait(target()) for _ in range(5)), key=lambda pair: pair[1])
    shares[name] = wait / taken
    print(f"into {name}: {1000 * taken:.0f} ms of encoding, another thread had to wait {1000 * wait:.0f} ms of them at once")
sys.exit(not (shares["BytesIO"] > 0.7 and shares["a file"] < 0.5))
PYTHON
