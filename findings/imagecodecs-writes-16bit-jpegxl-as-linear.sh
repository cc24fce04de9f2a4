#!/usr/bin/env bash
# Samples of 16 bits, written as a JPEG XL by imagecodecs.
#
# Expected: mid-grey of 8 bits (128) and of 16 bits (128 × 257) are the same grey, as they are in its PNGs and TIFFs.
# What happens: the header of the file of 16 bits says that its samples are linear light (RGB_D65_SRG_Rel_Lin), and every
# viewer that looks at colours shows it too light: 188 instead of 128.  The function has no parameter for it.  Samples
# that are lossily compressed are also taken as linear light by the encoder.
#
# Seen with Python 3.11 and imagecodecs 2026.3.6, numpy 2.4.6, pillow 13.0.0, pillow-jxl-plugin 1.3.8:
#   uint8:  (128, 128, 128) in sRGB is shown as (128, 128, 128)
#   uint16: (128, 128, 128) in RGB_D65_SRG_Rel_Lin is shown as (188, 188, 188)
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet imagecodecs==2026.3.6 numpy==2.4.6 pillow==13.0.0 pillow-jxl-plugin==1.3.8

"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys

import imagecodecs
import numpy as np
import pillow_jxl  # noqa: F401  adds the reader to Pillow
from PIL import Image, ImageCms


def shown(samples):
    with Image.open(io.BytesIO(bytes(imagecodecs.jpegxl_encode(samples, lossless=True)))) as picture:
        picture.load()
        profile = ImageCms.ImageCmsProfile(io.BytesIO(picture.info["icc_profile"]))
        seen = ImageCms.profileToProfile(picture, profile, ImageCms.createProfile("sRGB")).getpixel((0, 0))
        name = ImageCms.getProfileDescription(profile).strip()
        print(f"{samples.dtype}: {picture.getpixel((0, 0))} in {name} is shown as {seen}")
        return seen


eight = shown(np.full((16, 16, 3), 128, np.uint8))
sixteen = shown(np.full((16, 16, 3), 128 * 257, np.uint16))
sys.exit((eight, sixteen) != ((128, 128, 128), (188, 188, 188)))
PYTHON
