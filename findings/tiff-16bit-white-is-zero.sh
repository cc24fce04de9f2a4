#!/usr/bin/env bash
# A grey TIFF whose smallest value is white (PhotometricInterpretation 0, WhiteIsZero; TIFF 6.0, page 37), as scanners
# and X-ray machines write it, with 8 and with 16 bits.  Its two pixels are white and a light grey.
#
# Expected: all samples are turned round, or none is, whatever their depth.
# What happens: of 8 bits all of them are turned round.  Of 16 bits Pillow, OpenCV with IMREAD_UNCHANGED and OpenImageIO
# hand out the stored ones, so the picture is a negative; OpenCV's IMREAD_COLOR and FFmpeg turn them round.
# (tifffile says that it gives what is stored, and does.)
#
# Seen with Python 3.11 and pillow 13.0.0, numpy 2.4.6, opencv-python-headless 5.0.0.93, openimageio 3.2.2.0,
# av 18.1.0, tifffile 2026.3.3:
#                      8 bits       16 bits
#   stored             [0, 64]      [0, 64] × 257
#   Pillow             [255, 191]   [0, 64] × 257
#   OpenCV, UNCHANGED  [255, 191]   [0, 64] × 257
#   OpenCV, COLOR      [255, 191]   [255, 191]
#   OpenImageIO        [255, 191]   [0, 64] × 257
#   FFmpeg             [255, 191]   [255, 191] × 257
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 numpy==2.4.6 opencv-python-headless==5.0.0.93 openimageio==3.2.2.0 \
    av==18.1.0 tifffile==2026.3.3

FOLDER="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import os
import sys

import av
import cv2
import numpy as np
import OpenImageIO as oiio
import tifffile
from PIL import Image


def by_oiio(path):
    source = oiio.ImageInput.open(path)
    return source.read_image(source.spec().format)


def by_ffmpeg(path):
    with av.open(path) as file:
        return next(file.decode(video=0)).to_ndarray()


READERS = {
    "stored": tifffile.imread,
    "Pillow": lambda path: np.asarray(Image.open(path)),
    "OpenCV, UNCHANGED": lambda path: cv2.imread(path, cv2.IMREAD_UNCHANGED),
    "OpenCV, COLOR": lambda path: cv2.imread(path, cv2.IMREAD_COLOR)[:, :, :1],
    "OpenImageIO": by_oiio,
    "FFmpeg": by_ffmpeg,
}
paths = []
for samples in (np.array([[0, 64]], np.uint8), np.array([[0, 64 * 257]], np.uint16)):
    paths.append(os.path.join(os.environ["FOLDER"], f"{samples.dtype}.tif"))
    tifffile.imwrite(paths[-1], samples, photometric="miniswhite")
found = {}
print(f"{'':18} {'8 bits':12} 16 bits")
for name, read in READERS.items():
    eight, sixteen = (np.asarray(read(path)).ravel() for path in paths)
    deep = sixteen.dtype == np.uint16
    found[name] = eight.tolist(), (sixteen // (257 if deep else 1)).tolist()
    print(f"{name:18} {found[name][0]!s:12} {found[name][1]}{' × 257' if deep else ''}")
turned, stored = [255, 191], [0, 64]
sys.exit(
    list(found.values())
    != [(stored, stored), (turned, stored), (turned, stored), (turned, turned), (turned, stored), (turned, turned)]
)
PYTHON
