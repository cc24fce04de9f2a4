#!/usr/bin/env bash
# The same half-transparent orange, saved by Pillow as PNG and as TIFF, read by OpenCV with IMREAD_UNCHANGED.
# The TIFF says that its alpha is not multiplied into the colours (tag ExtraSamples 2, unassociated; TIFF 6.0, page 31).
#
# Expected: the samples of the file, as from the PNG: red 200, green 100, blue 0, alpha 128.
# What happens: for 8 bits OpenCV lets libtiff make the pixels, which multiplies the colours by alpha.  The program gets
# darkened colours and an alpha that will darken them again, and a second saving and reading darkens them once more.
# A TIFF of 16 bits, one of 8 bits whose alpha is already multiplied in, and OpenCV's own TIFFs, which lack the tag, come
# as they are stored: so a test that writes with OpenCV and reads with OpenCV does not see it.
#
# Seen with Python 3.11 and pillow 13.0.0, numpy 2.4.6, opencv-python-headless 5.0.0.93, tifffile 2026.3.3:
#   PNG:                      [200, 100, 0, 128]
#   TIFF, tifffile:           [200, 100, 0, 128]
#   TIFF, OpenCV:             [100, 50, 0, 128]
#   TIFF of 16 bits, OpenCV:  [200, 100, 0, 128] × 257
#   OpenCV's TIFF, OpenCV:    [200, 100, 0, 128], ExtraSamples ()
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 numpy==2.4.6 opencv-python-headless==5.0.0.93 tifffile==2026.3.3

OPENCV_LOG_LEVEL=SILENT "$folder/venv/bin/python" - <<'PYTHON'
import io
import sys

import cv2
import numpy as np
import tifffile
from PIL import Image

ORANGE = [200, 100, 0, 128]


def saved(form):
    file = io.BytesIO()
    Image.new("RGBA", (4, 4), tuple(ORANGE)).save(file, form)
    return file.getvalue()


def by_opencv(file):
    blue, green, red, alpha = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED)[0, 0].tolist()
    return [red, green, blue, alpha]


png, tiff = by_opencv(saved("PNG")), by_opencv(saved("TIFF"))
print("PNG:                     ", png)
stored = tifffile.imread(io.BytesIO(saved("TIFF")))[0, 0].tolist()
print("TIFF, tifffile:          ", stored)
print("TIFF, OpenCV:            ", tiff)
deep = io.BytesIO()
samples = np.tile(np.array(ORANGE, np.uint16) * 257, (4, 4, 1))
tifffile.imwrite(deep, samples, photometric="rgb", extrasamples=["unassalpha"])
sixteen = [sample // 257 for sample in by_opencv(deep.getvalue())]
print("TIFF of 16 bits, OpenCV: ", sixteen, "× 257")
own = cv2.imencode(".tiff", np.tile(np.array([0, 100, 200, 128], np.uint8), (4, 4, 1)))[1].tobytes()
tag = tifffile.TiffFile(io.BytesIO(own)).pages[0].extrasamples
print(f"OpenCV's TIFF, OpenCV:    {by_opencv(own)}, ExtraSamples {tag}")
assert stored == ORANGE
sys.exit((png, tiff, sixteen, by_opencv(own), tag) != (ORANGE, [100, 50, 0, 128], ORANGE, ORANGE, ()))
PYTHON
