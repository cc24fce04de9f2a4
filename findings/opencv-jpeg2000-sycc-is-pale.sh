#!/usr/bin/env bash
# A JPEG 2000 file whose colour space is sYCC (colr, EnumCS 18), without halved colour; all its pixels are pure red,
# which is Y 76, Cb 85, Cr 255 (amendment 1 of IEC 61966-2-1: the matrix of JPEG).
#
# Expected: (254, 0, 0) or a level beside it, as by Pillow, imagecodecs and OpenImageIO.
# What happens: OpenCV converts with the YUV of analogue television, whose two colour differences have other scales
# (0.492 and 0.877 of B - Y and R - Y): red becomes brownish, and every saturated colour pale.  A file of greys looks
# right.
#
# Seen with Python 3.11 and pillow 13.0.0, numpy 2.4.6, imagecodecs 2026.3.6, openimageio 3.2.2.0,
# opencv-python-headless 5.0.0.93:
#   Pillow       [254, 0, 0]
#   imagecodecs  [254, 1, 0]
#   OpenImageIO  [255, 0, 1]
#   OpenCV       [221, 19, 0]
#   YUV          [221, 19, 0]
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 numpy==2.4.6 imagecodecs==2026.3.6 openimageio==3.2.2.0 \
    opencv-python-headless==5.0.0.93

FOLDER="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import os
import struct
import sys

import cv2
import imagecodecs
import numpy as np
import OpenImageIO as oiio
from PIL import Image

Y, CB, CR = 76, 85, 255


def box(kind, data):
    return struct.pack(">I", 8 + len(data)) + kind + data


samples = np.full((8, 8, 3), (Y, CB, CR), np.uint8)
codestream = imagecodecs.jpeg2k_encode(samples, level=0, reversible=True, codecformat="j2k", mct=False)
header = box(b"ihdr", struct.pack(">IIHBBBB", 8, 8, 3, 7, 7, 0, 0)) + box(b"colr", struct.pack(">BBBI", 1, 0, 0, 18))
file = (
    box(b"jP  ", b"\r\n\x87\n")
    + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
    + box(b"jp2h", header)
    + box(b"jp2c", bytes(codestream))
)
path = os.path.join(os.environ["FOLDER"], "red.jp2")
with open(path, "wb") as target:
    target.write(file)
blue, red = (CB - 128) / 0.492, (CR - 128) / 0.877
television = [Y + red, Y - 0.299 / 0.587 * red - 0.114 / 0.587 * blue, Y + blue]
found = {
    "Pillow": np.asarray(Image.open(path)),
    "imagecodecs": imagecodecs.jpeg2k_decode(file),
    "OpenImageIO": oiio.ImageInput.open(path).read_image(oiio.UINT8),
    "OpenCV": cv2.imread(path)[:, :, ::-1],
    "YUV": np.array([[[min(max(round(sample), 0), 255) for sample in television]]]),
}
found = {name: pixels[0, 0].tolist() for name, pixels in found.items()}
for name, pixel in found.items():
    print(f"{name:12} {pixel}")
near = all(abs(sample - right) < 2 for name in list(found)[:3] for sample, right in zip(found[name], (254, 0, 0)))
sys.exit((near, found["OpenCV"]) != (True, [221, 19, 0]))
PYTHON
