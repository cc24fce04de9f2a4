#!/usr/bin/env bash
# A CIELAB TIFF of 8 bits (PhotometricInterpretation 8) with a white, a grey and a red pixel, as Photoshop writes it.
#
# Expected: a pixel whose a* and b* are 0 has no colour: white is (255, 255, 255) in sRGB, and L* 50 is (119, 119, 119).
# An ICC conversion gives that to one level, here by Pillow's ImageCms, and so does ImageMagick.
# What happens: OpenCV and OpenImageIO let libtiff convert, which takes XYZ of D50 for XYZ of D65 and does not adapt the
# white: paper becomes yellowish and greys brownish.  Strong colours are nearly right, so a test with a red pixel does not
# show it.
#
# Seen with Python 3.11 and pillow 13.0.0, numpy 2.4.6, opencv-python-headless 5.0.0.93, openimageio 3.2.2.0:
#   ImageCms     [[254, 255, 254], [119, 119, 119], [251, 5, 4]]
#   OpenCV       [[255, 252, 222], [133, 123, 107], [255, 0, 0]]
#   OpenImageIO  [[255, 252, 222], [133, 123, 107], [255, 0, 0]]
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 numpy==2.4.6 opencv-python-headless==5.0.0.93 openimageio==3.2.2.0

FOLDER="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import os
import struct
import sys

import cv2
import numpy as np
import OpenImageIO as oiio
from PIL import Image, ImageCms

SHORT, CIELAB = 3, 8
pixels = b"".join(struct.pack("Bbb", *pixel) for pixel in ((255, 0, 0), (128, 0, 0), (138, 81, 70)))
tags = [(256, 3), (257, 1), (259, 1), (262, CIELAB), (277, 3), (278, 1), (279, len(pixels))]
depths = 8 + 2 + 12 * (len(tags) + 2) + 4
entries = [(tag, SHORT, 1, value) for tag, value in tags]
entries += [(258, SHORT, 3, depths), (273, SHORT, 1, depths + 6)]
path = os.path.join(os.environ["FOLDER"], "lab.tif")
with open(path, "wb") as file:
    file.write(struct.pack("<2sHIH", b"II", 42, 8, len(entries)))
    file.write(b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries)))
    file.write(struct.pack("<I3H", 0, 8, 8, 8) + pixels)

with Image.open(path) as picture:
    assert picture.mode == "LAB"
    to_srgb = ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")
    by_icc = np.asarray(ImageCms.applyTransform(picture, to_srgb))
found = {
    "ImageCms": by_icc,
    "OpenCV": cv2.imread(path)[:, :, ::-1],
    "OpenImageIO": oiio.ImageInput.open(path).read_image(oiio.UINT8),
}
found = {name: row[0].tolist() for name, row in found.items()}
for name, row in found.items():
    print(f"{name:12} {row}")
neutral = all(max(pixel) - min(pixel) < 2 for pixel in found["ImageCms"][:2])
yellow = [[255, 252, 222], [133, 123, 107]]
sys.exit((neutral, found["OpenCV"][:2], found["OpenImageIO"][:2]) != (True, yellow, yellow))
PYTHON
