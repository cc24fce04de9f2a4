#!/usr/bin/env bash
# A JPEG 2000 file (JP2) with a palette: indices 0, 1, 2, 3 and the colours red, red, blue, white.  A palette may hold a
# colour twice; one that was filled up to 16 or 256 entries does.
#
# Expected: each index finds the entry at its place (ISO/IEC 15444-1, I.5.3.4: box "pclr").  OpenImageIO, imagecodecs and
# FFmpeg do so, ImageMagick and opj_decompress too.
# What happens: Pillow adds the entries one by one to a palette that holds each colour once, so a repeated colour takes
# no place and all later ones move up: blue is read as red's second place, white as blue's, and the last index has no
# colour and is black.
#
# Seen with Python 3.11 and pillow 13.0.0, numpy 2.4.6, imagecodecs 2026.3.6, openimageio 3.2.2.0, av 18.1.0:
#   in the file:   red, red, blue, white
#   imagecodecs:   red, red, blue, white
#   OpenImageIO:   red, red, blue, white
#   FFmpeg:        red, red, blue, white
#   Pillow:        red, blue, white, black
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 numpy==2.4.6 imagecodecs==2026.3.6 openimageio==3.2.2.0 av==18.1.0

FOLDER="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import os
import struct
import sys

import av
import imagecodecs
import numpy as np
import OpenImageIO as oiio
from PIL import Image

NAMES = {(255, 0, 0): "red", (0, 0, 255): "blue", (255, 255, 255): "white", (0, 0, 0): "black"}
COLOURS = [(255, 0, 0), (255, 0, 0), (0, 0, 255), (255, 255, 255)]


def box(kind, data):
    return struct.pack(">I", 8 + len(data)) + kind + data


indices = np.tile(np.arange(4, dtype=np.uint8), (4, 1))
codestream = imagecodecs.jpeg2k_encode(indices, level=0, reversible=True, codecformat="j2k")
header = (
    box(b"ihdr", struct.pack(">IIHBBBB", 4, 4, 1, 7, 7, 0, 0))
    + box(b"colr", struct.pack(">BBBI", 1, 0, 0, 16))
    + box(b"pclr", struct.pack(">HB3B", 4, 3, 7, 7, 7) + bytes(sum(COLOURS, ())))
    + box(b"cmap", b"".join(struct.pack(">HBB", 0, 1, column) for column in range(3)))
)
path = os.path.join(os.environ["FOLDER"], "four.jp2")
with open(path, "wb") as file:
    file.write(
        box(b"jP  ", b"\r\n\x87\n")
        + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
        + box(b"jp2h", header)
        + box(b"jp2c", bytes(codestream))
    )


def by_imagecodecs():
    with open(path, "rb") as file:
        return imagecodecs.jpeg2k_decode(file.read())


def by_ffmpeg():
    with av.open(path) as file:
        return next(file.decode(video=0)).to_ndarray(format="rgb24")


READERS = {
    "imagecodecs": by_imagecodecs,
    "OpenImageIO": lambda: oiio.ImageInput.open(path).read_image(oiio.UINT8),
    "FFmpeg": by_ffmpeg,
    "Pillow": lambda: np.asarray(Image.open(path).convert("RGB")),
}
wanted = [NAMES[colour] for colour in COLOURS]
print("in the file:  ", ", ".join(wanted))
found = {name: [NAMES.get(tuple(pixel), "another") for pixel in read()[0, :, :3].tolist()] for name, read in READERS.items()}
for name, colours in found.items():
    print(f"{name + ':':14}", ", ".join(colours))
sys.exit(list(found.values()) != [wanted] * 3 + [["red", "blue", "white", "black"]])
PYTHON
