#!/usr/bin/env bash
# A GIF of three frames on a canvas of 4 × 1: red everywhere, to be cleared afterwards (disposal 2); green on the left
# half, with no disposal given (0); blue on the last pixel.
#
# Expected: the third frame still shows the green of the second: the disposal belongs to the one picture that follows its
# control block, and 0 asks for nothing (GIF89a, section 23).  FFmpeg, OpenCV, ImageMagick, libvips and Chromium 156 keep
# the green.
# What happens: Pillow takes 0 for "as before" and clears the green too.  Once a frame has been cleared, every later
# frame that names no disposal is cleared as well.
#
# Seen with Python 3.11 and pillow 13.0.0, numpy 2.4.6, opencv-python-headless 5.0.0.93, av 18.1.0:
#   OpenCV:  red red red red | green green - - | green green - blue
#   FFmpeg:  red red red red | green green - - | green green - blue
#   Pillow:  red red red red | green green - - | - - - blue
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 numpy==2.4.6 opencv-python-headless==5.0.0.93 av==18.1.0

FOLDER="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import os
import struct
import sys

import av
import cv2
import numpy as np
from PIL import Image, ImageSequence

TABLE = bytes([255, 0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0])
CLEAR, END, HOLE = 4, 5, 3


def frame(disposal, left, indices):
    """A frame of one row, in codes of three bits that begin anew after each two pixels."""
    codes = []
    for number, index in enumerate(indices):
        codes += [CLEAR, index] if number % 2 == 0 else [index]
    bits = sum(code << 3 * place for place, code in enumerate([*codes, END]))
    data = bits.to_bytes((3 * len(codes) + 10) // 8, "little")
    control = b"!\xf9\x04" + struct.pack("<BHB", disposal << 2 | 1, 10, HOLE) + b"\0"
    place = b"," + struct.pack("<HHHHB", left, 0, len(indices), 1, 0)
    return control + place + bytes([2, len(data)]) + data + b"\0"


file = b"GIF89a" + struct.pack("<HHBBB", 4, 1, 0x81, 0, 0) + TABLE
file += frame(2, 0, [0] * 4) + frame(0, 0, [1] * 2) + frame(0, 3, [2]) + b";"
path = os.path.join(os.environ["FOLDER"], "three.gif")
with open(path, "wb") as target:
    target.write(file)


def words(rows):
    names = {(255, 0, 0): "red", (0, 255, 0): "green", (0, 0, 255): "blue"}
    return " | ".join(" ".join(names[tuple(p[:3])] if p[3] else "-" for p in row[0].tolist()) for row in rows)


def by_opencv():
    frames = cv2.imdecodeanimation(np.frombuffer(file, np.uint8))[1].frames
    return [cv2.cvtColor(picture, cv2.COLOR_BGRA2RGBA) for picture in frames]


def by_ffmpeg():
    with av.open(path) as source:
        return [picture.to_ndarray(format="rgba") for picture in source.decode(video=0)]


def by_pillow():
    with Image.open(path) as source:
        return [np.asarray(picture.convert("RGBA")) for picture in ImageSequence.Iterator(source)]


found = [words(read()) for read in (by_opencv, by_ffmpeg, by_pillow)]
for name, seen in zip(("OpenCV:", "FFmpeg:", "Pillow:"), found, strict=True):
    print(name, "", seen)
start = "red red red red | green green - - | "
sys.exit(found != [start + "green green - blue", start + "green green - blue", start + "- - - blue"])
PYTHON
