#!/usr/bin/env bash
# A JPEG 2000 file with three channels of 16 bits, read by Pillow.
#
# Expected: white (65535) becomes 255, the white of Pillow's 8-bit RGB mode.
# What happens: the reduction to 8 bits rounds up without a limit, so every sample from 65408 on wraps to 0.
# White comes out as black, without a warning.
#
# Seen with Python 3.11 and pillow 13.0.0, numpy 2.4.6, imagecodecs 2026.3.6:
#   stored 65407  Pillow reads 255
#   stored 65408  Pillow reads   0
#   stored 65535  Pillow reads   0
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 numpy==2.4.6 imagecodecs==2026.3.6

"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys

import imagecodecs
import numpy as np
from PIL import Image

rows = np.zeros((3, 8, 3), np.uint16)
rows[0], rows[1], rows[2] = 65407, 65408, 65535
file = imagecodecs.jpeg2k_encode(rows, level=0, reversible=True, codecformat="jp2")
exact = imagecodecs.jpeg2k_decode(file)
seen = np.asarray(Image.open(io.BytesIO(file)))
for stored, read in zip(exact[:, 0, 0], seen[:, 0, 0]):
    print(f"stored {stored:5d}  Pillow reads {read:3d}")
assert np.array_equal(exact, rows), "the file does not hold what was written"
sys.exit(seen[:, 0, 0].tolist() != [255, 0, 0])
PYTHON
