#!/usr/bin/env bash
# A JPEG 2000 file with halved colour (YCbCr 4:2:0), written by FFmpeg, with an even and with an odd number of columns.
# Its blue rises from top to bottom, so each row has one colour but for the rise of light from left to right.
#
# Expected: a colour component of a picture of 9 columns has 5 columns (ISO/IEC 15444-1, B.2: the quotient is rounded
# up), and each row of pixels takes the row of colour that belongs to it.  imagecodecs does so, ImageMagick,
# opj_decompress and FFmpeg too.
# What happens: Pillow rounds down, to 4 columns, and so takes each further row of colour one sample too far to the left:
# the colours slant across the picture, and the second plane of colour begins in the middle of the first.
# OpenImageIO reads the colours right, but makes the picture larger: 10 × 10 instead of 9 × 9.
#
# Seen with Python 3.11 and pillow 13.0.0, numpy 2.4.6, imagecodecs 2026.3.6, av 18.1.0, openimageio 3.2.2.0:
#   8 × 8: largest error imagecodecs   1, Pillow   0; OpenImageIO: 8 × 8
#   9 × 9: largest error imagecodecs   1, Pillow  77; OpenImageIO: 10 × 10
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 numpy==2.4.6 imagecodecs==2026.3.6 av==18.1.0 openimageio==3.2.2.0

FOLDER="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import os
import sys

import av
import imagecodecs
import numpy as np
import OpenImageIO as oiio
from PIL import Image


def written(path, planes):
    """Write planes Y, Cb and Cr as a JP2 without loss."""
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, "yuv420p")
    for plane, samples in zip(frame.planes, planes, strict=True):
        rows = np.zeros((plane.height, plane.line_size), np.uint8)
        rows[: samples.shape[0], : samples.shape[1]] = samples
        plane.update(rows)
    frame.pts = 0
    with av.open(path, "w", format="image2") as file:
        stream = file.add_stream("jpeg2000", rate=1, options={"format": "jp2", "pred": "dwt53"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for packet in (*stream.encode(frame), *stream.encode()):
            file.mux(packet)


found = []
for side in (8, 9):
    half = (side + 1) // 2
    light = np.tile(np.linspace(60, 200, side).astype(np.uint8), (side, 1))
    blue = np.tile(np.linspace(40, 210, half).astype(np.uint8)[:, None], (1, half))
    path = os.path.join(os.environ["FOLDER"], f"{side}.jp2")
    written(path, (light, blue, np.full((half, half), 128, np.uint8)))
    wide = blue.repeat(2, axis=0).repeat(2, axis=1)[:side, :side]
    wanted = np.clip(light + 1.772 * (wide - 128.0), 0, 255)
    with open(path, "rb") as file:
        exact = imagecodecs.jpeg2k_decode(file.read())[:, :, 2]
    seen = np.asarray(Image.open(path))[:, :, 2]
    errors = [round(float(np.abs(samples - wanted).max())) for samples in (exact, seen)]
    spec = oiio.ImageInput.open(path).spec()
    print(
        f"{side} × {side}: largest error imagecodecs {errors[0]:3}, Pillow {errors[1]:3}; "
        f"OpenImageIO: {spec.width} × {spec.height}"
    )
    found.append((max(errors[0], 1), errors[1] > 50, spec.width, spec.height))
sys.exit(found != [(1, False, 8, 8), (1, True, 10, 10)])
PYTHON
