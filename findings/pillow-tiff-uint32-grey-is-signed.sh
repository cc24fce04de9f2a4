#!/usr/bin/env bash
# A grey TIFF of 32 bits without a sign, as microscopes and GIS tools write it, read by Pillow.
#
# Expected: 4294967295 is the brightest sample.
# What happens: Pillow reads the samples into its signed mode "I", so the brightest half of the range becomes negative,
# and a conversion to mode "L" makes all of that half black.  The tag SampleFormat (1, unsigned) is in the file.
#
# Seen with Python 3.11 and pillow 13.0.0, numpy 2.4.6, tifffile 2026.3.3:
#   stored: [0, 2147483647, 2147483648, 4294967295]
#   Pillow: I [0, 2147483647, -2147483648, -1]
#   as L:   [0, 255, 0, 0]
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 numpy==2.4.6 tifffile==2026.3.3

"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys

import numpy as np
import tifffile
from PIL import Image

samples = np.array([[0, 2**31 - 1, 2**31, 2**32 - 1]], np.uint32)
file = io.BytesIO()
tifffile.imwrite(file, samples, photometric="minisblack")
picture = Image.open(io.BytesIO(file.getvalue()))
print("stored:", tifffile.imread(io.BytesIO(file.getvalue()))[0].tolist())
print("Pillow:", picture.mode, np.asarray(picture)[0].tolist())
print("as L:  ", np.asarray(picture.convert("L"))[0].tolist())
sys.exit(np.asarray(picture)[0].tolist() != [0, 2**31 - 1, -(2**31), -1])
PYTHON
