#!/usr/bin/env bash
# A worker writes a picture of 100 MiB into a memory file (memfd_create), to hand it to another process without a copy.
#
# Expected: whoever watches the memory of the worker sees 100 MiB: its RSS, or at least its PSS, which shares what is
# shared, and a limit of its address space counts them.
# What happens: pages of a memory file count for a process only where it has mapped them.  `write` and `sendfile` map
# nothing, so RSS, PSS, USS and the peak stay as they are, and RLIMIT_AS and RLIMIT_DATA do not stop it.  A supervisor
# that replaces workers by their RSS never sees it; only `Shmem` of /proc/meminfo and the cgroup count it.  A descriptor
# that is on its way in a Unix socket keeps it all, although no process has it open.
# What counts them is `os.fstat(file).st_blocks` of each file in /proc/PID/fd.
#
# Seen with CPython 3.11.7 and psutil 7.2.2 on Linux 6.18 (memfd_create(2): "lives in RAM", for every kernel):
#   written: RSS +0 MiB, PSS +0 MiB, USS +0 MiB; blocks of /proc/self/fd: +100 MiB
#   mapped and read: RSS +100 MiB, PSS +100 MiB, USS +100 MiB; blocks of /proc/self/fd: +100 MiB
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet psutil==7.2.2

"$folder/venv/bin/python" - <<'PYTHON'
import mmap
import os
import resource
import sys

import psutil

MIB = 1 << 20
SIZE = 100 * MIB


def blocks():
    """Bytes of all memory files that this process has open."""
    sizes = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}").startswith("/memfd:"):
                facts = os.stat(f"/proc/self/fd/{name}")
                sizes[facts.st_ino] = facts.st_blocks * 512  # mmap has a second descriptor of the same file
        except FileNotFoundError:
            pass  # the descriptor of the listing
    return sum(sizes.values())


def memory():
    full = psutil.Process().memory_full_info()
    return full.rss, full.pss, full.uss, blocks()


piece = os.urandom(MIB)
before = memory()
# 40 MiB more than now: not enough for the picture.
room = psutil.Process().memory_info().vms + 40 * MIB
resource.setrlimit(resource.RLIMIT_AS, (room, resource.RLIM_INFINITY))
file = os.memfd_create("picture")
for _ in range(SIZE // MIB):
    os.write(file, piece)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
written = memory()
view = mmap.mmap(file, SIZE, prot=mmap.PROT_READ)
sum(view[::4096])
mapped = memory()


def growth(name, after):
    grown = [round((late - early) / MIB) for late, early in zip(after, before, strict=True)]
    print("{}: RSS {:+} MiB, PSS {:+} MiB, USS {:+} MiB; blocks of /proc/self/fd: {:+} MiB".format(name, *grown))
    return grown


first, second = growth("written", written), growth("mapped and read", mapped)
sys.exit(not (max(first[:3]) < 10 and first[3] == second[3] == 100 and min(second[:3]) > 90))
PYTHON
