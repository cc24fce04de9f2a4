#!/usr/bin/env bash
# The same photograph of 32 × 16 pixels, to be turned by 90°, saved by Pillow as JPEG, PNG, WebP, TIFF and AVIF.
#
# Expected: OpenCV turns all of them or none.  In an AVIF the turn is a property of the picture (irot and imir, ISO/IEC
# 23008-12), which a reader has to apply: MIAF (ISO/IEC 23000-22) has it as essential, and leaves an orientation in EXIF
# aside.  Browsers turn it (Chromium 156).
# What happens: OpenCV turns the first four and leaves the AVIF as it is stored, without a word and without a way to
# learn of the turn: libavif hands it over beside the pixels.  imagecodecs and FFmpeg do not turn either, and Pillow
# tells of it as an EXIF orientation, which `ImageOps.exif_transpose` follows.
#
# Seen with Python 3.11 and pillow 13.0.0, numpy 2.4.6, opencv-python-headless 5.0.0.93, imagecodecs 2026.3.6:
#   OpenCV: JPEG 16 × 32, PNG 16 × 32, WEBP 16 × 32, TIFF 16 × 32, AVIF 32 × 16
#   AVIF:   has irot True, imagecodecs 32 × 16, Pillow 32 × 16 with orientation 6
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 numpy==2.4.6 opencv-python-headless==5.0.0.93 imagecodecs==2026.3.6

FOLDER="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import os
import sys

import cv2
import imagecodecs
import numpy as np
from PIL import Image

ORIENTATION = 274


def size(pixels):
    return f"{pixels.shape[1]} × {pixels.shape[0]}"


exif = Image.Exif()
exif[ORIENTATION] = 6
found = {}
for form in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF"):
    path = os.path.join(os.environ["FOLDER"], f"photograph.{form.lower()}")
    Image.new("RGB", (32, 16), "red").save(path, form, exif=exif)
    found[form] = size(cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR))
print("OpenCV:", ", ".join(f"{form} {seen}" for form, seen in found.items()))
with open(path, "rb") as file:
    data = file.read()
has_turn, stored = b"irot" in data, size(imagecodecs.avif_decode(data))
with Image.open(path) as picture:
    told = picture.size, picture.getexif().get(ORIENTATION)
print(f"AVIF:   has irot {has_turn}, imagecodecs {stored}, Pillow {told[0][0]} × {told[0][1]} with orientation {told[1]}")
turned = dict.fromkeys(("JPEG", "PNG", "WEBP", "TIFF"), "16 × 32")
sys.exit((found, has_turn, stored, told) != (turned | {"AVIF": "32 × 16"}, True, "32 × 16", ((32, 16), 6)))
PYTHON
