#!/usr/bin/env bash
# A GIF whose canvas is larger than its only frame: 4 × 1 pixels, of which the frame covers the two in the middle.  No
# colour is transparent; the colour table is red, green, blue, white, and the background colour is white (index 3).
#
# Expected: around the frame is nothing, as browsers have it (Chromium 156), or the background colour, as the
# specification has it (GIF89a, section 18).
# What happens: five libraries give four answers.  FFmpeg and OpenCV give the background colour, OpenImageIO
# transparency.  Pillow gives the first colour of the table, which means nothing here.  imagecodecs puts the index of the
# background colour in place of its red sample: nearly black.
#
# Seen with Python 3.11 and pillow 13.0.0, numpy 2.4.6, opencv-python-headless 5.0.0.93, av 18.1.0,
# imagecodecs 2026.3.6, openimageio 3.2.2.0:
#   FFmpeg       (255, 255, 255)
#   OpenCV       (255, 255, 255)
#   OpenImageIO  (0, 0, 0, 0)
#   Pillow       (255, 0, 0)
#   imagecodecs  (3, 0, 0)
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 numpy==2.4.6 opencv-python-headless==5.0.0.93 av==18.1.0 \
    imagecodecs==2026.3.6 openimageio==3.2.2.0

FOLDER="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import os
import struct
import sys

import av
import cv2
import imagecodecs
import numpy as np
import OpenImageIO as oiio
from PIL import Image

TABLE = bytes([255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255])
CLEAR, GREEN, BLUE, END = 4, 1, 2, 5

bits = sum(code << 3 * place for place, code in enumerate((CLEAR, GREEN, BLUE, END)))
file = b"GIF89a" + struct.pack("<HHBBB", 4, 1, 0x81, 3, 0) + TABLE
file += b"," + struct.pack("<HHHHB", 1, 0, 2, 1, 0) + bytes([2, 2]) + bits.to_bytes(2, "little") + b"\0;"
path = os.path.join(os.environ["FOLDER"], "canvas.gif")
with open(path, "wb") as target:
    target.write(file)


def by_ffmpeg():
    with av.open(path) as source:
        return next(source.decode(video=0)).to_ndarray(format="rgb24")


READERS = {
    "FFmpeg": by_ffmpeg,
    "OpenCV": lambda: cv2.imread(path)[:, :, ::-1],
    "OpenImageIO": lambda: oiio.ImageInput.open(path).read_image(oiio.UINT8),
    "Pillow": lambda: np.asarray(Image.open(path).convert("RGB")),
    "imagecodecs": lambda: imagecodecs.gif_decode(file),
}
found = {}
for name, read in READERS.items():
    row = np.asarray(read()).reshape(4, -1).tolist()
    assert [row[1][:3], row[2][:3]] == [[0, 255, 0], [0, 0, 255]], f"{name} reads the frame wrong"
    assert row[0] == row[3]
    found[name] = tuple(row[0])
    print(f"{name:12} {found[name]}")
sys.exit(list(found.values()) != [(255, 255, 255)] * 2 + [(0, 0, 0, 0), (255, 0, 0), (3, 0, 0)])
PYTHON
