#!/usr/bin/env bash
# A JPEG 2000 file whose colour space is sYCC and whose pixels are pure red (Y 76, Cb 85, Cr 255), read by Pillow alone,
# and after `import pyvips` in the same process.  Needs Debian's libvips42 with its modules, which is how most people have
# libvips, and installs it if it is not there.
#
# Expected: the same.  Pillow's wheel brings its own OpenJPEG, libtiff, libwebp and lcms.
# What happens: libvips opens its modules (vips-magick.so, vips-heif.so, …) with RTLD_GLOBAL, the default of GModule, and
# so makes the symbols of all the libraries behind them those of the whole process.  Pillow is loaded later and is bound
# to Debian's older libraries instead of its own.  `features.version` tells the other versions, faults that the wheel has
# mended are back, and the picture has other colours: OpenJPEG 2.5.0 does not yet know its colour space when Pillow asks,
# so Pillow takes the samples for RGB.  With Pillow imported first, most of its libraries stay its own.  With VIPSHOME at
# an empty folder there are no modules, and nothing happens.
#
# Seen with Python 3.11 and pillow 13.0.0, pyvips 3.2.0, numpy 2.4.6, imagecodecs 2026.3.6, libvips42 8.14.1 (Debian 12):
#   Pillow alone:                        OpenJPEG 2.5.4, libtiff 4.7.2, libwebp 1.6.0; red is (254, 0, 0)
#   after import pyvips:                 OpenJPEG 2.5.0, libtiff 4.5.0, libwebp 1.2.4; red is (76, 85, 255)
#   after import pyvips without modules: OpenJPEG 2.5.4, libtiff 4.7.2, libwebp 1.6.0; red is (254, 0, 0)
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
ldconfig -p | grep --quiet 'libvips\.so\.42' || apt-get install --yes --quiet --quiet libvips42 >&2
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 pyvips==3.2.0 numpy==2.4.6 imagecodecs==2026.3.6

cat >"$folder/write.py" <<'PYTHON'
import struct
import sys

import imagecodecs
import numpy as np


def box(kind, data):
    return struct.pack(">I", 8 + len(data)) + kind + data


samples = np.full((8, 8, 3), (76, 85, 255), np.uint8)
codestream = imagecodecs.jpeg2k_encode(samples, level=0, reversible=True, codecformat="j2k", mct=False)
header = box(b"ihdr", struct.pack(">IIHBBBB", 8, 8, 3, 7, 7, 0, 0)) + box(b"colr", struct.pack(">BBBI", 1, 0, 0, 18))
with open(sys.argv[1], "wb") as file:
    file.write(
        box(b"jP  ", b"\r\n\x87\n")
        + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
        + box(b"jp2h", header)
        + box(b"jp2c", bytes(codestream))
    )
PYTHON
cat >"$folder/read.py" <<'PYTHON'
import importlib
import sys

for name in sys.argv[2:]:
    importlib.import_module(name)

from PIL import Image, features

versions = [
    f"{label} {features.version(name)}"
    for label, name in (("OpenJPEG", "jpg_2000"), ("libtiff", "libtiff"), ("libwebp", "webp"))
]
print(f"{', '.join(versions)}; red is {Image.open(sys.argv[1]).getpixel((0, 0))}")
PYTHON

python="$folder/venv/bin/python"
"$python" "$folder/write.py" "$folder/red.jp2"
alone=$("$python" "$folder/read.py" "$folder/red.jp2")
after=$("$python" "$folder/read.py" "$folder/red.jp2" pyvips)
without=$(VIPSHOME="$folder" "$python" "$folder/read.py" "$folder/red.jp2" pyvips)
echo "Pillow alone:                        $alone"
echo "after import pyvips:                 $after"
echo "after import pyvips without modules: $without"
[[ $alone == *"(254, 0, 0)" && $without == "$alone" && $after != "$alone" ]]
