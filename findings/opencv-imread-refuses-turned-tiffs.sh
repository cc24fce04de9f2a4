#!/usr/bin/env bash
# TIFFs of 6 × 4 and of 4 × 4 pixels with each of the eight orientations (TIFF 6.0, tag 274), read by OpenCV in three
# ways.
#
# Expected: `cv2.imread` reads what `cv2.imdecode` and `cv2.imreadmulti` read: their decoder is the same, and their flags
# too.
# What happens: `imread` returns None for each TIFF that is to be turned by a quarter (5 to 8), as scanners write them,
# unless its sides are equal.  Its log says that 'original_ptr == real_mat.data' must be true: the decoder has turned the
# picture into a new matrix, and `imread` alone insists on the old one.  IMREAD_UNCHANGED, IMREAD_GRAYSCALE and
# IMREAD_IGNORE_ORIENTATION do not help.  OpenCV 4.13 and 4.14 refuse them too; 4.10 reads these files.
#
# Seen with Python 3.11 and opencv-python-headless 5.0.0.93, numpy 2.4.6, tifffile 2026.3.3:
#   6 × 4: imread refuses orientations [5, 6, 7, 8], imdecode refuses [], imreadmulti refuses []
#   4 × 4: imread refuses orientations [], imdecode refuses [], imreadmulti refuses []
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet opencv-python-headless==5.0.0.93 numpy==2.4.6 tifffile==2026.3.3

OPENCV_LOG_LEVEL=SILENT FOLDER="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import os
import sys

import cv2
import numpy as np
import tifffile

ORIENTATION, SHORT = 274, 3
PATH = os.path.join(os.environ["FOLDER"], "scan.tif")
READERS = {
    "imread": lambda: cv2.imread(PATH) is not None,
    "imdecode": lambda: cv2.imdecode(np.fromfile(PATH, np.uint8), cv2.IMREAD_COLOR) is not None,
    "imreadmulti": lambda: cv2.imreadmulti(PATH)[0],
}
found = {}
for width in (6, 4):
    refused = {name: [] for name in READERS}
    for orientation in range(1, 9):
        tag = (ORIENTATION, SHORT, 1, orientation, True)
        tifffile.imwrite(PATH, np.zeros((4, width, 3), np.uint8), photometric="rgb", extratags=[tag])
        for name, read in READERS.items():
            if not read():
                refused[name].append(orientation)
    print(
        f"{width} × 4: imread refuses orientations {refused['imread']}, imdecode refuses {refused['imdecode']}, "
        f"imreadmulti refuses {refused['imreadmulti']}"
    )
    found[width] = list(refused.values())
sys.exit(found != {6: [[5, 6, 7, 8], [], []], 4: [[], [], []]})
PYTHON
