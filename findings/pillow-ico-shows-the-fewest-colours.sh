#!/usr/bin/env bash
# A Windows icon with three pictures of one size, as icon editors write it for old screens: blue with 16 colours, green
# with 256 colours, red with 32 bits.
#
# Expected: the red one, the best that the screen can show.  Windows chooses so (LookupIconIdFromDirectoryEx), and so do
# browsers (Chromium 156), whatever the order in the file.
# What happens: Pillow sorts the pictures by size from the largest down and then by depth from the lowest up, and opens
# the first: the one with 16 colours.  `icon.size = …` finds that one too, `icon.ico.sizes()` names one size, and only
# `icon.ico.getimage(size, bpp)` gives the others.  OpenImageIO shows here that the file has three pictures.
#
# Seen with Python 3.11 and pillow 13.0.0, numpy 2.4.6, openimageio 3.2.2.0:
#   in the file:   blue, green, red
#   Pillow opens:  blue
#   in the file:   red, green, blue
#   Pillow opens:  blue
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 numpy==2.4.6 openimageio==3.2.2.0

FOLDER="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import os
import struct
import sys

import OpenImageIO as oiio
from PIL import Image

SIDE = 16
NAMES = {(0, 0, 255): "blue", (0, 255, 0): "green", (255, 0, 0): "red"}


def picture(bits, table, row):
    """A bitmap of one colour with its table and a mask that hides nothing; colours are blue, green, red, 0."""
    header = struct.pack("<IiiHHIIiiII", 40, SIDE, 2 * SIDE, 1, bits, 0, 0, 0, 0, 0, 0)
    return bits, header + table + row * SIDE + bytes(4 * SIDE)


PICTURES = [
    picture(4, (b"\xff\0\0\0").ljust(4 * 16, b"\0"), bytes(SIDE // 2)),
    picture(8, (b"\0\xff\0\0").ljust(4 * 256, b"\0"), bytes(SIDE)),
    picture(32, b"", b"\0\0\xff\xff" * SIDE),
]


def icon(pictures):
    directory, data = struct.pack("<HHH", 0, 1, len(pictures)), b""
    for bits, bitmap in pictures:
        place = 6 + 16 * len(pictures) + len(data)
        directory += struct.pack("<BBBBHHII", SIDE, SIDE, 16 if bits == 4 else 0, 0, 1, bits, len(bitmap), place)
        data += bitmap
    return directory + data


found = []
path = os.path.join(os.environ["FOLDER"], "three.ico")
for pictures in (PICTURES, PICTURES[::-1]):
    with open(path, "wb") as file:
        file.write(icon(pictures))
    inside = [tuple(oiio.ImageBuf(path, number, 0).get_pixels(oiio.UINT8)[0, 0, :3].tolist()) for number in range(3)]
    print("in the file:  ", ", ".join(NAMES[colour] for colour in inside))
    with Image.open(path) as opened:
        found.append(NAMES[opened.convert("RGB").getpixel((0, 0))])
    print("Pillow opens: ", found[-1])
    assert sorted(NAMES[colour] for colour in inside) == ["blue", "green", "red"]
sys.exit(found != ["blue", "blue"])
PYTHON
