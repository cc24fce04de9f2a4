#!/usr/bin/env bash
# A process that once held 300 MB starts `true`, and asks for the peak of its memory: `ru_maxrss` of `os.wait4`, as
# benchmarks of image tools and supervisors of helper processes do.
#
# Expected: the 2 MB of `true`; getrusage(2) calls it "the maximum resident set size used".
# What happens: at execve the kernel notes the peak of the memory that the process leaves behind, and that is its
# parent's: the copy after fork, or the parent's own memory after vfork, which `subprocess` uses from CPython 3.10 on.
# With vfork it is even the peak of the parent's whole life, although the 300 MB were given back long ago.  A shell in
# between does not help, because it inherits the figure: "resource usage metrics are preserved across an execve(2)".
# The peak of the child itself is VmHWM in /proc/PID/status while it lives, or that of a child of a small process.
#
# Seen with CPython 3.11.7 and 3.13.0 on Linux 6.18 (fs/exec.c has kept this figure since Linux 2.6.32):
#   started by a small process:             14 MB
#   started while 300 MB are held:         315 MB
#   started after 300 MB were given back:  315 MB, and VmHWM says 2 MB
set -euo pipefail

python3 - <<'PYTHON'
import os
import subprocess
import sys

MB = 1_000_000


def peak(command="true"):
    child = subprocess.Popen(["sh", "-c", command])
    return os.wait4(child.pid, 0)[2].ru_maxrss * 1024 / MB


def own_peak():
    """The peak that the kernel keeps with the memory of the child, read by the child."""
    found = subprocess.run(["grep", "VmHWM", "/proc/self/status"], capture_output=True, check=True, text=True)
    return int(found.stdout.split()[1]) * 1024 / MB


small = peak()
pixels = b"\1" * (300 * MB)
held = peak()
del pixels
given_back, own = peak(), own_peak()
print(f"started by a small process:           {small:4.0f} MB")
print(f"started while 300 MB are held:        {held:4.0f} MB")
print(f"started after 300 MB were given back: {given_back:4.0f} MB, and VmHWM says {own:.0f} MB")
sys.exit(not (small < 50 and held > 290 and own < 50 and (given_back > 290) == (sys.version_info >= (3, 10))))
PYTHON
