#!/usr/bin/env bash
# Cyan ink (255, 0, 0, 0), written as a CMYK JPEG by imagecodecs and by Pillow, and read by both, OpenCV and FFmpeg.
#
# Expected: a CMYK JPEG with Adobe's marker (APP14) holds its samples turned round, 0 for full ink: Photoshop writes all
# of them so, and every viewer counts on it (libjpeg.txt, "CMYK", of libjpeg-turbo).  Cyan is (0, 255, 255) in RGB.
# What happens: imagecodecs writes the marker and the samples as they are, so its cyan is black for everybody else, as
# the picture is a negative with ink in place of paper.  It also gives the samples of other files as they are stored.
# Writing and reading with imagecodecs cancel out, and TIFFs made by it or by tifffile have no marker and are right.
#
# Seen with Python 3.11 and imagecodecs 2026.3.6, pillow 13.0.0, numpy 2.4.6, opencv-python-headless 5.0.0.93, av 18.1.0:
#   by Pillow:      Pillow (255, 0, 0, 0), OpenCV (1, 255, 255), FFmpeg (0, 254, 254), imagecodecs (0, 255, 255, 255)
#   by imagecodecs: Pillow (0, 255, 255, 255), OpenCV (0, 0, 0), FFmpeg (0, 0, 0), imagecodecs (255, 0, 0, 0)
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet imagecodecs==2026.3.6 pillow==13.0.0 numpy==2.4.6 opencv-python-headless==5.0.0.93 \
    av==18.1.0

FOLDER="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import os
import sys

import av
import cv2
import imagecodecs
import numpy as np
from PIL import Image

CYAN = (255, 0, 0, 0)


def by_imagecodecs(path):
    with open(path, "rb") as file:
        return imagecodecs.jpeg8_decode(file.read())


def by_ffmpeg(path):
    with av.open(path) as file:
        return next(file.decode(video=0)).to_ndarray(format="rgb24")


READERS = {
    "Pillow": lambda path: np.asarray(Image.open(path)),
    "OpenCV": lambda path: cv2.imread(path)[:, :, ::-1],
    "FFmpeg": by_ffmpeg,
    "imagecodecs": by_imagecodecs,
}


def seen(name):
    pixels = {reader: tuple(read(paths[name])[8, 8].tolist()) for reader, read in READERS.items()}
    print(f"by {name + ':':12}", ", ".join(f"{reader} {pixel}" for reader, pixel in pixels.items()))
    return pixels


def near(pixel, wanted):
    return all(abs(sample - right) < 4 for sample, right in zip(pixel, wanted, strict=True))


paths = {name: os.path.join(os.environ["FOLDER"], f"{name}.jpg") for name in ("Pillow", "imagecodecs")}
Image.new("CMYK", (16, 16), CYAN).save(paths["Pillow"], quality=95)
samples = np.full((16, 16, 4), CYAN, np.uint8)
with open(paths["imagecodecs"], "wb") as target:
    target.write(imagecodecs.jpeg8_encode(samples, level=95, colorspace="CMYK", outcolorspace="CMYK"))
for path in paths.values():
    with open(path, "rb") as file:
        assert b"\xff\xee\0\x0eAdobe" in file.read(), "no marker of Adobe"
right, wrong = seen("Pillow"), seen("imagecodecs")
turned = (0, 255, 255, 255)
sys.exit(
    not (
        near(right["Pillow"], CYAN)
        and near(right["OpenCV"], (0, 255, 255))
        and near(right["FFmpeg"], (0, 255, 255))
        and near(right["imagecodecs"], turned)
        and near(wrong["Pillow"], turned)
        and near(wrong["OpenCV"], (0, 0, 0))
        and near(wrong["FFmpeg"], (0, 0, 0))
        and near(wrong["imagecodecs"], CYAN)
    )
)
PYTHON
