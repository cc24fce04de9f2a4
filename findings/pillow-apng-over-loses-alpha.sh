#!/usr/bin/env bash
# An APNG of two frames: half-transparent red, and half-transparent blue laid over it (blend_op 1, APNG_BLEND_OP_OVER).
#
# Expected: the second frame shows blue over red as the specification of APNG and `Image.alpha_composite` have it.
# What happens: Pillow pastes the frame through its alpha as a mask, which mixes the alpha channels as if they were
# colours: the result is more transparent than either, and its colours are off.
#
# Seen with Python 3.11 and pillow 13.0.0:
#   second frame of the APNG: (127, 0, 128, 128)
#   alpha_composite:          (85, 0, 170, 192)
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0

"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys

from PIL import Image

red, blue = Image.new("RGBA", (4, 4), (255, 0, 0, 128)), Image.new("RGBA", (4, 4), (0, 0, 255, 128))
file = io.BytesIO()
red.save(file, "PNG", save_all=True, append_images=[blue], blend=1, disposal=0, duration=100)
picture = Image.open(file)
picture.seek(1)
print("second frame of the APNG:", picture.getpixel((0, 0)))
print("alpha_composite:         ", Image.alpha_composite(red, blue).getpixel((0, 0)))
sys.exit(picture.getpixel((0, 0)) != (127, 0, 128, 128))
PYTHON
