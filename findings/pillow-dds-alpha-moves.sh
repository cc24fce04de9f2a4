#!/usr/bin/env bash
# Textures of one colour saved by Pillow with alpha: as DXT3 (BC2), which has four bits of alpha for each pixel, and as
# DXT5 (BC3), which has two values of eight bits for each block, and levels between them.
#
# Expected: as DXT3 the nearest of the 16 levels: 128 becomes 136, and 240 becomes 238.  As DXT5 a block that has only
# two alphas keeps both exactly, because they are the two values (BC2 and BC3 in Microsoft's "Texture Block Compression
# in Direct3D 11").
# What happens: for DXT3 Pillow puts all eight bits of each alpha at places for four.  So a pixel gets the high bits of
# its left neighbour mixed with its own low bits, and the first pixel of each row of a block has its own low bits alone:
# holes in an even veil, and stripes that come out the other way round.  For DXT5 it writes the two values and then uses
# only the levels between them, so every edge of alpha becomes softer.  Alpha of 0 and 255 alone, which is what tests
# have, is right in both.
#
# Seen with Python 3.11 and pillow 13.0.0, numpy 2.4.6, imagecodecs 2026.3.6, openimageio 3.2.2.0:
#   DXT3 [128, 128, 128, 128]: Pillow, imagecodecs and OpenImageIO read [0, 136, 136, 136]
#   DXT3 [240, 0, 240, 0]:     Pillow, imagecodecs and OpenImageIO read [0, 255, 0, 255]
#   DXT5 [200, 100, 200, 100]: Pillow, imagecodecs and OpenImageIO read [180, 120, 180, 120]
#   DXT5 [255, 0, 255, 0]:     Pillow, imagecodecs and OpenImageIO read [255, 0, 255, 0]
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 numpy==2.4.6 imagecodecs==2026.3.6 openimageio==3.2.2.0

FOLDER="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import os
import sys

import imagecodecs
import numpy as np
import OpenImageIO as oiio
from PIL import Image

PATH = os.path.join(os.environ["FOLDER"], "texture.dds")
WRONG = {
    ("DXT3", (128, 128, 128, 128)): [0, 136, 136, 136],
    ("DXT3", (240, 0, 240, 0)): [0, 255, 0, 255],
    ("DXT5", (200, 100, 200, 100)): [180, 120, 180, 120],
    ("DXT5", (255, 0, 255, 0)): [255, 0, 255, 0],
}


def by_imagecodecs():
    with open(PATH, "rb") as file:
        return imagecodecs.dds_decode(file.read())


def by_oiio():
    settings = oiio.ImageSpec()
    settings.attribute("oiio:UnassociatedAlpha", 1)
    return oiio.ImageInput.open(PATH, settings).read_image(oiio.UINT8)


def by_pillow():
    return np.asarray(Image.open(PATH))


changed = False
for (kind, alpha), wrong in WRONG.items():
    pixels = np.full((4, 4, 4), 100, np.uint8)
    pixels[:, :, 3] = alpha
    Image.fromarray(pixels).save(PATH, pixel_format=kind)
    seen = [read()[0, :, 3].tolist() for read in (by_pillow, by_imagecodecs, by_oiio)]
    agreed = str(seen[0]) if seen == [seen[0]] * 3 else f"different things: {seen}"
    print(f"{f'{kind} {list(alpha)}:':26} Pillow, imagecodecs and OpenImageIO read {agreed}")
    changed |= seen != [wrong] * 3
sys.exit(changed)
PYTHON
