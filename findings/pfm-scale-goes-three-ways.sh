#!/usr/bin/env bash
# Two float pictures (PFM, of one channel) with the same samples; the headers say scale -1 and scale -2.  The sign is the
# order of bytes; the number is "a scale factor for the image", the unit of its samples (the PFM format of Debevec, and
# pfm(5) of Netpbm).
#
# Expected: two times the unit, two times the light, or at least one answer.
# What happens: there are three.  OpenImageIO multiplies by the factor, as ImageMagick does.  OpenCV divides by it, as
# FFmpeg does.  Pillow leaves the samples as they are and tells the factor.  OpenCV writes 1 or -1 itself, so writing and
# reading with one library shows nothing.
#
# Seen with Python 3.11 and pillow 13.0.0, numpy 2.4.6, opencv-python-headless 5.0.0.93, openimageio 3.2.2.0, av 18.1.0:
#                scale -1  scale -2
#   OpenImageIO  0.5       1.0
#   OpenCV       0.5       0.25
#   FFmpeg       0.5       0.25
#   Pillow       0.5       0.5  info["scale"] is 2.0
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 numpy==2.4.6 opencv-python-headless==5.0.0.93 openimageio==3.2.2.0 \
    av==18.1.0

FOLDER="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import os
import struct
import sys

import av
import cv2
import numpy as np
import OpenImageIO as oiio
from PIL import Image


def by_ffmpeg(path):
    with av.open(path) as file:
        plane = next(file.decode(video=0)).planes[0]
        return np.frombuffer(plane, np.float32)[:1].reshape(1, 1)


READERS = {
    "OpenImageIO": lambda path: oiio.ImageInput.open(path).read_image(oiio.FLOAT)[:, :, 0],
    "OpenCV": lambda path: cv2.imread(path, cv2.IMREAD_UNCHANGED),
    "FFmpeg": by_ffmpeg,
    "Pillow": lambda path: np.asarray(Image.open(path)),
}
paths = []
for scale in (-1, -2):
    paths.append(os.path.join(os.environ["FOLDER"], f"scale{scale}.pfm"))
    with open(paths[-1], "wb") as file:
        file.write(b"Pf\n2 2\n%.1f\n" % scale + struct.pack("<4f", *[0.5] * 4))
told = Image.open(paths[1]).info["scale"]
found = {}
print(f"{'':12} scale -1  scale -2")
for name, read in READERS.items():
    found[name] = tuple(float(read(path)[0, 0]) for path in paths)
    note = f'  info["scale"] is {told}' if name == "Pillow" else ""
    print(f"{name:12} {found[name][0]:<9} {found[name][1]}{note}")
sys.exit((list(found.values()), told) != ([(0.5, 1.0), (0.5, 0.25), (0.5, 0.25), (0.5, 0.5)], 2.0))
PYTHON
