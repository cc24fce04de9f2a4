#!/usr/bin/env bash
# A PSD without layers, in RGB with a fourth channel: a selection that somebody saved ("Alpha 1"), as Photoshop keeps it.
# Left it is empty, right it is full.
#
# Expected: an opaque picture.  The fourth channel is the transparency of the merged picture only if the number of layers
# is negative (Adobe Photoshop File Formats Specification, "Layer info"); Photoshop, OpenImageIO, FFmpeg and ImageMagick
# show the picture whole.
# What happens: Pillow takes any fourth channel for alpha, so all that was not selected disappears.
#
# Seen with Python 3.11 and pillow 13.0.0, numpy 2.4.6, openimageio 3.2.2.0, av 18.1.0:
#   OpenImageIO: ('R', 'G', 'B')
#   FFmpeg:      [[255, 128, 0, 255], [255, 128, 0, 255]]
#   Pillow:      [[255, 128, 0, 0], [255, 128, 0, 255]]
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 numpy==2.4.6 openimageio==3.2.2.0 av==18.1.0

FOLDER="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import os
import struct
import sys

import av
import numpy as np
import OpenImageIO as oiio
from PIL import Image

WIDTH, HEIGHT, CHANNELS, DEPTH, RGB, RAW = 2, 1, 4, 8, 3, 0
NAMES_OF_CHANNELS = 1006

names = b"\x07Alpha 1"
resources = b"8BIM" + struct.pack(">HHI", NAMES_OF_CHANNELS, 0, len(names)) + names
planes = bytes([255, 255]) + bytes([128, 128]) + bytes([0, 0]) + bytes([0, 255])
path = os.path.join(os.environ["FOLDER"], "selection.psd")
with open(path, "wb") as file:
    file.write(b"8BPS" + struct.pack(">H6xHIIHH", 1, CHANNELS, HEIGHT, WIDTH, DEPTH, RGB))
    file.write(struct.pack(">I", 0))  # no colour table
    file.write(struct.pack(">I", len(resources)) + resources)
    file.write(struct.pack(">I", 0))  # no layers
    file.write(struct.pack(">H", RAW) + planes)

channels = oiio.ImageInput.open(path).spec().channelnames
print("OpenImageIO:", channels)
with av.open(path) as source:
    by_ffmpeg = next(source.decode(video=0)).to_ndarray(format="rgba")[0].tolist()
print("FFmpeg:     ", by_ffmpeg)
by_pillow = np.asarray(Image.open(path).convert("RGBA"))[0].tolist()
print("Pillow:     ", by_pillow)
whole = [[255, 128, 0, 255]] * 2
sys.exit((tuple(channels), by_ffmpeg, by_pillow) != (("R", "G", "B"), whole, [[255, 128, 0, 0], [255, 128, 0, 255]]))
PYTHON
