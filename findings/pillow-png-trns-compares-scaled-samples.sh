#!/usr/bin/env bash
# Grey PNGs of 2 and of 16 bits with a tRNS chunk, which names one sample value that is transparent.
# The PNG specification (third edition, 11.3.2.1) compares it with the samples as they are stored.
#
# Expected: the second pixel of the first file (sample 1) and the first pixel of the second file (sample 0x1234) are
# transparent, the others opaque.
# What happens: Pillow scales the samples to 8 bits, keeps the value of tRNS as it is in the file and then compares the
# two, so that every pixel is opaque.
#
# Seen with Python 3.11 and pillow 13.0.0, numpy 2.4.6:
#   2 bits, samples 0 1 2 3, 1 is transparent:       alpha [255, 255, 255, 255]
#   16 bits, samples 1234 ffff, 1234 is transparent: alpha [255, 255]
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 numpy==2.4.6

"$folder/venv/bin/python" - <<'PYTHON'
import io
import struct
import sys
import zlib

import numpy as np
from PIL import Image


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, depth: int, transparent: int, row: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, 1, depth, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"tRNS", struct.pack(">H", transparent)), (b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in parts)


def alpha(file: bytes) -> list[int]:
    return np.asarray(Image.open(io.BytesIO(file)).convert("RGBA"))[0, :, 3].tolist()


two_bits = alpha(png(4, 2, 1, bytes([0b00_01_10_11])))
sixteen_bits = alpha(png(2, 16, 0x1234, struct.pack(">2H", 0x1234, 0xFFFF)))
print("2 bits, samples 0 1 2 3, 1 is transparent:       alpha", two_bits)
print("16 bits, samples 1234 ffff, 1234 is transparent: alpha", sixteen_bits)
sys.exit((two_bits, sixteen_bits) != ([255] * 4, [255] * 2))
PYTHON
