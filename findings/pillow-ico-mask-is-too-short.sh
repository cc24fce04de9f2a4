#!/usr/bin/env bash
# A red square of 16 × 16 pixels without alpha, saved by Pillow as an icon with bitmap_format="bmp".
#
# Expected: 40 bytes of header, 16 rows of 48 bytes, and the AND mask of 16 rows of one bit a pixel, each filled up to
# 4 bytes like all rows of a bitmap (Microsoft's description of icons and BITMAPINFOHEADER): 872 bytes.
# What happens: the rows of the mask are filled up to whole bytes only: 32 bytes too few.  OpenImageIO does not read the
# file, ImageMagick takes it for fully transparent, and Pillow, which looks for the mask from the end, takes
# the last rows of colours for its first rows: a white square has holes.
# With a second, larger size the mask has the size of the last picture for all of them, so the first ones have room.
#
# Seen with Python 3.11 and pillow 13.0.0, numpy 2.4.6, openimageio 3.2.2.0:
#   16 × 16:       840 bytes instead of 872
#   OpenImageIO:   cannot read it
#   Pillow, white: 128 of 256 pixels are transparent
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 numpy==2.4.6 openimageio==3.2.2.0

FOLDER="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import io
import os
import struct
import sys

import numpy as np
import OpenImageIO as oiio
from PIL import Image


def icon(colour):
    file = io.BytesIO()
    Image.new("RGB", (16, 16), colour).save(file, "ICO", sizes=[(16, 16)], bitmap_format="bmp")
    return file.getvalue()


red = icon("red")
length = struct.unpack_from("<I", red, 14)[0]
wanted = 40 + 16 * 48 + 16 * 4
print(f"16 × 16:       {length} bytes instead of {wanted}")
path = os.path.join(os.environ["FOLDER"], "red.ico")
with open(path, "wb") as file:
    file.write(red)
source = oiio.ImageInput.open(path)
readable = source is not None and source.read_image(oiio.UINT8) is not None
print("OpenImageIO:  ", "reads it" if readable else "cannot read it")
alpha = np.asarray(Image.open(io.BytesIO(icon("white"))))[:, :, 3]
holes = int((alpha == 0).sum())
print(f"Pillow, white: {holes} of {alpha.size} pixels are transparent")
sys.exit((length, readable, holes) != (wanted - 32, False, 128))
PYTHON
