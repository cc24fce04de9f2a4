#!/usr/bin/env bash
# A picture of 33,000 × 2 pixels saved as AVIF and opened again by the same library.
#
# Expected: the encoder refuses a side that the decoder does not take, or the file can be opened.
# What happens: `save` succeeds.  `Image.open` then says that it cannot identify the file, as if it were no picture:
# libavif's limit of 32,768 pixels a side holds for its decoder alone.
#
# Seen with Python 3.11 and pillow 13.0.0:
#   32768 pixels wide: 978 bytes written; opened: AVIF
#   33000 pixels wide: 970 bytes written; opened: cannot identify image file
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0

"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys

from PIL import Image, UnidentifiedImageError

found = {}
for width in (32_768, 33_000):
    file = io.BytesIO()
    Image.new("RGB", (width, 2)).save(file, "AVIF")
    try:
        found[width] = Image.open(io.BytesIO(file.getvalue())).format
    except UnidentifiedImageError:
        found[width] = "cannot identify image file"
    print(f"{width} pixels wide: {len(file.getvalue())} bytes written; opened: {found[width]}")
sys.exit(found != {32_768: "AVIF", 33_000: "cannot identify image file"})
PYTHON
