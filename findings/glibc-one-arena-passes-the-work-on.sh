#!/usr/bin/env bash
# With one malloc arena, a thread that wants two kilobytes waits a second for what another thread has freed.
#
# Expected: MALLOC_ARENA_MAX=1, a usual advice for less memory in servers with threads, costs some waiting for the lock of
# the arena, microseconds at a time: a thread that only frees memory does its own work.
# What happens: glibc keeps small freed blocks in lists ("fast bins") without joining them with their neighbours.  The
# next thread that asks for 1 KB or more joins all of them first.  Pillow's median cut frees millions of blocks of 48 bytes;
# an event loop beside it, in whatever small call, pays for them all, again and again while they are freed, and holds the
# interpreter's lock meanwhile.  With glibc.malloc.mxfast=0 each block is joined when it is freed, by the thread that frees
# it.  With an arena for each thread (the default) the event loop waits for nothing either.
#
# Seen with Python 3.11, pillow 13.0.0 and glibc 2.36, 9 megapixels of noise (times vary with the machine):
#   one arena:               another thread's longest call took 820 ms of its own processor time
#   one arena, no fast bins: another thread's longest call took 2 ms of its own processor time
#   as many as threads want: another thread's longest call took 0 ms of its own processor time
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0

cat > "$folder/watch.py" <<'PYTHON'
import os
import threading
import time

from PIL import Image

picture = Image.frombytes("RGB", (3000, 3000), os.urandom(27_000_000))
worker = threading.Thread(target=picture.quantize, args=(256, Image.Quantize.MEDIANCUT))
worker.start()
longest = 0.0
while worker.is_alive():
    before = time.thread_time()
    bytearray(2000)
    longest = max(longest, time.thread_time() - before)
    time.sleep(0.0005)
print(f"{1000 * longest:.0f}")
PYTHON

run() {
    local name="$1"
    shift
    took=$(env "$@" "$folder/venv/bin/python" "$folder/watch.py")
    echo "$name: another thread's longest call took $took ms of its own processor time"
}

run "one arena" MALLOC_ARENA_MAX=1
shared=$took
run "one arena, no fast bins" MALLOC_ARENA_MAX=1 GLIBC_TUNABLES=glibc.malloc.mxfast=0
joined=$took
run "as many as threads want" LC_ALL=C
own=$took
[ "$shared" -gt 100 ] && [ "$joined" -lt 50 ] && [ "$own" -lt 50 ]
