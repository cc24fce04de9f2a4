#!/usr/bin/env bash
# PNGs with a transparent colour (chunk tRNS) in RGB, with a palette and in grey, read by OpenCV with IMREAD_UNCHANGED.
#
# Expected: a fourth channel for all of them, as the documentation has it ("as is, with alpha channel"): tRNS means the
# same in all three (PNG, third edition, 11.3.2.1).  OpenImageIO and imagecodecs give one.
# What happens: RGB and palettes come with alpha.  Grey comes without, and the transparent pixels have the colour that
# nobody was to see.  Grey with an alpha channel (colour type 4) comes with it.  A PNG optimiser that turns RGB into grey
# with tRNS, which is exact, changes what the program sees.
#
# Seen with Python 3.11 and opencv-python-headless 5.0.0.93, numpy 2.4.6, imagecodecs 2026.3.6, openimageio 3.2.2.0:
#                             OpenCV          imagecodecs     OpenImageIO
#   RGB with tRNS             4 channels      4 channels      4 channels
#   palette with tRNS         4 channels      4 channels      4 channels
#   grey, 8 bits, with tRNS   1 channel       2 channels      2 channels
#   grey, 16 bits, with tRNS  1 channel       2 channels      2 channels
#   grey with alpha           4 channels      2 channels      2 channels
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet opencv-python-headless==5.0.0.93 numpy==2.4.6 imagecodecs==2026.3.6 openimageio==3.2.2.0

FOLDER="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import os
import struct
import sys
import zlib

import cv2
import imagecodecs
import OpenImageIO as oiio

GREY, RGB, PALETTE, GREY_ALPHA = 0, 2, 3, 4
PATH = os.path.join(os.environ["FOLDER"], "pixel.png")


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(depth, colours, row, **chunks):
    header = struct.pack(">IIBBBBB", 2, 1, depth, colours, 0, 0, 0)
    between = b"".join(chunk(kind.encode(), data) for kind, data in chunks.items())
    pixels = chunk(b"IDAT", zlib.compress(b"\0" + row))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + between + pixels + chunk(b"IEND", b"")


FILES = {
    "RGB with tRNS": png(8, RGB, bytes([9, 9, 9, 200, 200, 200]), tRNS=struct.pack(">3H", 9, 9, 9)),
    "palette with tRNS": png(8, PALETTE, bytes([0, 1]), PLTE=bytes([9, 9, 9, 200, 200, 200]), tRNS=b"\0"),
    "grey, 8 bits, with tRNS": png(8, GREY, bytes([9, 200]), tRNS=struct.pack(">H", 9)),
    "grey, 16 bits, with tRNS": png(16, GREY, struct.pack(">2H", 9, 60000), tRNS=struct.pack(">H", 9)),
    "grey with alpha": png(8, GREY_ALPHA, bytes([9, 0, 200, 255])),
}


def channels(pixels):
    return 1 if pixels.ndim == 2 else pixels.shape[2]


found = []
print(f"{'':25} {'OpenCV':15} {'imagecodecs':15} OpenImageIO")
for name, content in FILES.items():
    with open(PATH, "wb") as file:
        file.write(content)
    row = [
        channels(cv2.imread(PATH, cv2.IMREAD_UNCHANGED)),
        channels(imagecodecs.png_decode(content)),
        oiio.ImageInput.open(PATH).spec().nchannels,
    ]
    words = [f"{number} channel{'s' * (number > 1)}" for number in row]
    print(f"{name:25} {words[0]:15} {words[1]:15} {words[2]}")
    found.append(row)
sys.exit(found != [[4, 4, 4], [4, 4, 4], [1, 2, 2], [1, 2, 2], [4, 2, 2]])
PYTHON
