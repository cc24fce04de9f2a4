#!/usr/bin/env bash
# A server with a pool of threads is made to yield, and is kept to one processor, by psutil: `nice`, `cpu_affinity` and
# `ionice` of the process.
#
# Expected: the whole process.  The documentation of `psutil.Process` speaks of "process niceness", "process I/O
# niceness" and "process current CPU affinity", and reading the values back confirms what was set.
# What happens: Linux keeps all three for each thread, the calls set those of the first thread, and reading asks the
# first thread too.  Threads that exist already, which are those that decode, resize and encode, go on as before.
# sched_setaffinity(2), ioprio_set(2) and the section "C library/kernel differences" of setpriority(2) say so.
# `os.sched_setaffinity(pid, …)`, `os.setpriority` and `taskset -p` without `-a` do the same.  It has to be set before the
# threads begin, or for each entry of /proc/PID/task.
#
# Seen with CPython 3.11.7 and psutil 7.2.2 on Linux 6.18:
#   psutil says: niceness 7, I/O class 3, processors [0]
#   first thread: niceness 7, I/O class 3, 1 processor(s)
#   other thread: niceness 0, I/O class 0, 2 processor(s)
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet psutil==7.2.2

"$folder/venv/bin/python" - <<'PYTHON'
import os
import sys
import threading

import psutil

allowed = sorted(os.sched_getaffinity(0))
if len(allowed) < 2:
    sys.exit("this needs two processors")
over, known = threading.Event(), threading.Event()
names = []


def work():
    names.append(threading.get_native_id())
    known.set()
    over.wait()


threading.Thread(target=work).start()
known.wait(10)
process = psutil.Process()
process.nice(7)
process.ionice(psutil.IOPRIO_CLASS_IDLE)
process.cpu_affinity(allowed[:1])
print(f"psutil says: niceness {process.nice()}, I/O class {int(process.ionice().ioclass)}, processors {process.cpu_affinity()}")


def facts(thread):
    # psutil asks the kernel for whatever thread it is given.
    of_thread = psutil.Process(thread)
    return os.getpriority(os.PRIO_PROCESS, thread), int(of_thread.ionice().ioclass), len(os.sched_getaffinity(thread))


seen = [facts(os.getpid()), facts(names[0])]
over.set()
for name, (nice, io_class, processors) in zip(("first thread", "other thread"), seen, strict=True):
    print(f"{name}: niceness {nice}, I/O class {io_class}, {processors} processor(s)")
sys.exit(seen != [(7, 3, 1), (0, 0, len(allowed))])
PYTHON
