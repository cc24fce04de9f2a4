#!/usr/bin/env bash
# An uncompressed RGB TIFF of 16 bits whose three planes are stored one after another (PlanarConfiguration 2).
# Each plane has one value: red 0xFF00, green 0x8000, blue 0x0100.
#
# Expected: every pixel is (0xFF00, 0x8000, 0x0100), or (255, 128, 1) at 8 bits; tifffile reads it so.
# What happens: Pillow takes the two bytes of a sample for two pixels, so every other column is black.
# OpenCV gives the first plane to all three channels.  Neither warns.
#
# Seen with Python 3.11 and pillow 13.0.0, numpy 2.4.6, tifffile 2026.3.3, opencv-python-headless 5.0.0.93:
#   tifffile, first pixel:       [65280, 32768, 256]
#   Pillow, first two pixels:    [[0, 0, 0], [255, 128, 1]]
#   OpenCV (BGR), first pixel:   [65280, 65280, 65280]
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 numpy==2.4.6 tifffile==2026.3.3 opencv-python-headless==5.0.0.93

"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys

import cv2
import numpy as np
import tifffile
from PIL import Image

planes = np.empty((3, 4, 4), np.uint16)
planes[0], planes[1], planes[2] = 0xFF00, 0x8000, 0x0100
file = io.BytesIO()
tifffile.imwrite(file, planes, photometric="rgb", planarconfig="separate")
exact = tifffile.imread(io.BytesIO(file.getvalue()))
by_pillow = np.asarray(Image.open(io.BytesIO(file.getvalue())))[0, :2].tolist()
by_opencv = cv2.imdecode(np.frombuffer(file.getvalue(), np.uint8), cv2.IMREAD_UNCHANGED)[0, 0].tolist()
print("tifffile, first pixel:      ", exact[:, 0, 0].tolist())
print("Pillow, first two pixels:   ", by_pillow)
print("OpenCV (BGR), first pixel:  ", by_opencv)
assert exact[:, 0, 0].tolist() == [0xFF00, 0x8000, 0x0100]
sys.exit((by_pillow, by_opencv) != ([[0, 0, 0], [255, 128, 1]], [0xFF00] * 3))
PYTHON
