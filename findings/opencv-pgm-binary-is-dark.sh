#!/usr/bin/env bash
# The same grey picture as a PGM in figures (P2) and in bytes (P5), with 15 as its largest value: black, two greys, white.
#
# Expected: both are the same picture (pgm(5) of Netpbm: a sample is a share of "maxval"), so 15 is white.
# What happens: OpenCV widens the figures to 0…255 and leaves the bytes as they are: the file in bytes looks black.  With
# more than 8 bits neither is widened: 1023 of 1023 is 1023 of 65535, also with IMREAD_COLOR, where it becomes 3 of 255.
# Pillow and FFmpeg read all of them as white.
#
# Seen with Python 3.11 and opencv-python-headless 5.0.0.93, numpy 2.4.6, pillow 13.0.0, av 18.1.0:
#                           OpenCV             Pillow             FFmpeg
#   P2 of 15, in figures    0 85 170 255       0 85 170 255       0 85 170 255
#   P5 of 15, in bytes      0 5 10 15          0 85 170 255       0 85 170 255
#   P5 of 1023, in bytes    0 0 2 3            0 0 128 255        0 0 127 255
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet opencv-python-headless==5.0.0.93 numpy==2.4.6 pillow==13.0.0 av==18.1.0

FOLDER="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import os
import struct
import sys

import av
import cv2
import numpy as np
from PIL import Image

FILES = {
    "P2 of 15, in figures": b"P2\n4 1\n15\n0 5 10 15\n",
    "P5 of 15, in bytes": b"P5\n4 1\n15\n" + bytes([0, 5, 10, 15]),
    "P5 of 1023, in bytes": b"P5\n4 1\n1023\n" + struct.pack(">4H", 0, 1, 512, 1023),
}
PATH = os.path.join(os.environ["FOLDER"], "grey.pgm")


def by_pillow():
    with Image.open(PATH) as picture:
        samples = np.asarray(picture)[0]
    return [round(sample / (257 if picture.mode == "I" else 1)) for sample in samples.tolist()]


def by_ffmpeg():
    with av.open(PATH) as source:
        return next(source.decode(video=0)).to_ndarray(format="gray")[0].tolist()


found = []
print(f"{'':23} {'OpenCV':18} {'Pillow':18} FFmpeg")
for name, content in FILES.items():
    with open(PATH, "wb") as file:
        file.write(content)
    row = [cv2.imread(PATH)[0, :, 0].tolist(), by_pillow(), by_ffmpeg()]
    print(f"{name:23} {' '.join(map(str, row[0])):18} {' '.join(map(str, row[1])):18} {' '.join(map(str, row[2]))}")
    found.append(row)
right, deep = [0, 85, 170, 255], found[2]
assert all(row[-1] == 255 for row in deep[1:]), "white is not white"
sys.exit((found[:2], deep[0]) != ([[right, right, right], [[0, 5, 10, 15], right, right]], [0, 0, 2, 3]))
PYTHON
