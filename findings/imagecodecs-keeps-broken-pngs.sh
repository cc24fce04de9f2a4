#!/usr/bin/env bash
# A PNG whose compressed pixels end too early, decoded again and again by imagecodecs.
#
# Expected: PngError each time, and the same memory afterwards as before.
# What happens: PngError each time, and the array of the result is never freed: libpng's error handler jumps out of the
# function past the place where its reference is dropped.  A server that decodes what strangers send runs out of memory.
# With an array of one's own (`out=`) the reference is lost as well, but `out.resize(0, refcheck=False)` frees its
# memory after an error.
#
# Seen with Python 3.11 and imagecodecs 2026.3.6 (libpng 1.6.55), numpy 2.4.6, psutil 7.2.2:
#   its own array: 100 broken files of 2 MB keep 108 MB
#   an array that is emptied after the error: 100 broken files of 2 MB keep 0 MB
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet imagecodecs==2026.3.6 numpy==2.4.6 psutil==7.2.2

"$folder/venv/bin/python" - <<'PYTHON'
import contextlib
import struct
import sys
import zlib

import imagecodecs
import numpy as np
import psutil

SIDE, TIMES = 600, 100


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


header = struct.pack(">IIBBBBB", SIDE, SIDE, 16, 2, 0, 0, 0)
pixels = zlib.compress(bytes((1 + 6 * SIDE) * SIDE))
broken = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels[: len(pixels) // 2]) + chunk(b"IEND", b"")


def decode():
    with contextlib.suppress(imagecodecs.PngError):
        imagecodecs.png_decode(broken)


def decode_into():
    out = np.empty((SIDE, SIDE, 3), np.uint16)
    try:
        imagecodecs.png_decode(broken, out=out)
    except imagecodecs.PngError:
        out.resize(0, refcheck=False)


def kept(work):
    for _ in range(10):
        work()
    before = psutil.Process().memory_info().rss
    for _ in range(TIMES):
        work()
    return round((psutil.Process().memory_info().rss - before) / 1e6)


own, emptied = kept(decode), kept(decode_into)
print(f"its own array: {TIMES} broken files of 2 MB keep {own} MB")
print(f"an array that is emptied after the error: {TIMES} broken files of 2 MB keep {emptied} MB")
sys.exit(own < 50 or emptied > 20)
PYTHON
