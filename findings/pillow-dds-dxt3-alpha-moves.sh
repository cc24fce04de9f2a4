#!/usr/bin/env bash
# Textures of one colour saved by Pillow as DXT3 (BC2), whose alpha has four bits for each pixel: one with alpha 128
# everywhere, one with alpha 240 and 0 in turns.
#
# Expected: 136 everywhere, and 238 and 0 in turns: the nearest of the 16 levels (BC2 in Microsoft's "Texture Block
# Compression in Direct3D 11").
# What happens: Pillow puts all eight bits of each alpha at places for four.  So a pixel gets the high bits of its left
# neighbour mixed with its own low bits, and the first pixel of each row of a block has only its own low bits: holes in
# an even veil, and stripes that come out the other way round.  0 and 255 everywhere are right, which is what tests have.
#
# Seen with Python 3.11 and pillow 13.0.0, numpy 2.4.6, imagecodecs 2026.3.6, openimageio 3.2.2.0:
#   [128, 128, 128, 128]: Pillow [0, 136, 136, 136], imagecodecs [0, 136, 136, 136], OpenImageIO [0, 136, 136, 136]
#   [240, 0, 240, 0]:     Pillow [0, 255, 0, 255], imagecodecs [0, 255, 0, 255], OpenImageIO [0, 255, 0, 255]
#   the same as DXT5:     Pillow [240, 0, 240, 0]
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
VEIL, STRIPES = [128] * 4, [240, 0] * 2


def written(alpha, pixel_format):
    pixels = np.full((4, 4, 4), 100, np.uint8)
    pixels[:, :, 3] = alpha
    Image.fromarray(pixels).save(PATH, pixel_format=pixel_format)


def by_imagecodecs():
    with open(PATH, "rb") as file:
        return imagecodecs.dds_decode(file.read())


def by_oiio():
    settings = oiio.ImageSpec()
    settings.attribute("oiio:UnassociatedAlpha", 1)
    return oiio.ImageInput.open(PATH, settings).read_image(oiio.UINT8)


def by_pillow():
    return np.asarray(Image.open(PATH))


found = []
for alpha in (VEIL, STRIPES):
    written(alpha, "DXT3")
    seen = {
        name: read()[0, :, 3].tolist()
        for name, read in (("Pillow", by_pillow), ("imagecodecs", by_imagecodecs), ("OpenImageIO", by_oiio))
    }
    print(f"{f'{alpha}:':21}", ", ".join(f"{name} {row}" for name, row in seen.items()))
    found += seen.values()
written(STRIPES, "DXT5")
better = by_pillow()[0, :, 3].tolist()
print("the same as DXT5:     Pillow", better)
sys.exit((found, better) != ([[0, 136, 136, 136]] * 3 + [[0, 255, 0, 255]] * 3, STRIPES))
PYTHON
