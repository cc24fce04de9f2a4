#!/usr/bin/env bash
# A BMP of 8 bits a pixel whose colour table has two entries, black and white (biClrUsed 2), as scanners, mask editors
# and Pillow itself write it.
#
# Expected: pixel values 0 and 1 are looked up in the table, as for any other table (BITMAPINFOHEADER: biBitCount says
# how wide a pixel is, biClrUsed how long the table is).  OpenCV, imagecodecs, OpenImageIO, libvips, ImageMagick, FFmpeg
# and Chromium do so; Pillow too if one of the two colours is another.
# What happens: a table of black and white makes Pillow choose mode "1" and read each byte as eight pixels, so that the
# picture is black but for some columns.  It cannot read what it has just written, and says nothing.  With 4 bits a pixel
# it is the same.
#
# Seen with Python 3.11 and pillow 13.0.0, numpy 2.4.6, opencv-python-headless 5.0.0.93, imagecodecs 2026.3.6:
#   written:               [0, 255, 0, 255, 0, 0, 255, 255], 8 bits a pixel, 2 colours
#   OpenCV:                [0, 255, 0, 255, 0, 0, 255, 255]
#   imagecodecs:           [0, 255, 0, 255, 0, 0, 255, 255]
#   Pillow:                [0, 0, 0, 0, 0, 0, 0, 0]
#   Pillow, dark red for black: [38, 255, 38, 255, 38, 38, 255, 255]
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 numpy==2.4.6 opencv-python-headless==5.0.0.93 imagecodecs==2026.3.6

"$folder/venv/bin/python" - <<'PYTHON'
import io
import struct
import sys

import cv2
import imagecodecs
import numpy as np
from PIL import Image

PIXELS = bytes([0, 1, 0, 1, 0, 0, 1, 1])


def written(table):
    picture = Image.frombytes("P", (8, 1), PIXELS)
    picture.putpalette(table)
    file = io.BytesIO()
    picture.save(file, "BMP")
    return file.getvalue()


def by_pillow(file):
    return np.asarray(Image.open(io.BytesIO(file)).convert("L"))[0].tolist()


file = written([0, 0, 0, 255, 255, 255])
bits, colours = struct.unpack_from("<H", file, 28)[0], struct.unpack_from("<I", file, 46)[0]
wanted = [255 * pixel for pixel in PIXELS]
print(f"written:               {wanted}, {bits} bits a pixel, {colours} colours")
by_opencv = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_GRAYSCALE)[0].tolist()
print("OpenCV:               ", by_opencv)
by_imagecodecs = imagecodecs.bmp_decode(file)[0, :, 0].tolist()
print("imagecodecs:          ", by_imagecodecs)
print("Pillow:               ", by_pillow(file))
red = by_pillow(written([128, 0, 0, 255, 255, 255]))
print("Pillow, dark red for black:", red)
assert (bits, colours, by_opencv, by_imagecodecs) == (8, 2, wanted, wanted)
sys.exit((by_pillow(file), red) != ([0] * 8, [38 if pixel == 0 else 255 for pixel in PIXELS]))
PYTHON
