#!/usr/bin/env bash
# A grey JPEG 2000 file of 12 bits whose samples are all at their maximum, read by two libraries.
#
# Expected: both give 16-bit arrays on the same scale, or one of them tells the depth of the samples.
# What happens: OpenCV leaves the samples as they are (4095 in a uint16 array), so white looks nearly black.
# Pillow shifts them by four bits (65520 in mode I;16), so white is not 65535.  Neither says that the file has 12 bits:
# the reader has to parse the header box for the scale.
#
# Seen with Python 3.11 and pillow 13.0.0, numpy 2.4.6, imagecodecs 2026.3.6, opencv-python-headless 5.0.0.93:
#   OpenCV: uint16, white is 4095
#   Pillow: I;16, white is 65520
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 numpy==2.4.6 imagecodecs==2026.3.6 opencv-python-headless==5.0.0.93

"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys

import cv2
import imagecodecs
import numpy as np
from PIL import Image

white = np.full((8, 8), 4095, np.uint16)
file = imagecodecs.jpeg2k_encode(white, bitspersample=12, level=0, reversible=True, codecformat="jp2")
by_opencv = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED)
by_pillow = Image.open(io.BytesIO(file))
print(f"OpenCV: {by_opencv.dtype}, white is {by_opencv.max()}")
print(f"Pillow: {by_pillow.mode}, white is {np.asarray(by_pillow).max()}")
sys.exit((by_opencv.max(), np.asarray(by_pillow).max()) != (4095, 65520))
PYTHON
