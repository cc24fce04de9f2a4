#!/usr/bin/env bash
# An RGB TIFF with a compression that not every build of libtiff has: JPEG 2000 (34712) and JPEG XL (50002), as tifffile
# and scanners of microscope slides write them, and JPEG (7), which every libtiff has and FFmpeg does not decode.
#
# Expected: an error, as Pillow and OpenImageIO give it ("cannot identify", "not configured").
# What happens: OpenCV returns a black picture of the right size for JPEG 2000 and JPEG XL (only its log has a line), and
# FFmpeg, through PyAV, a black frame for JPEG.  A pipeline stores black pictures and is content.  For other compressions
# that it lacks, such as Zstandard (50000), OpenCV returns None, as its documentation says of files that it cannot read.
#
# Seen with Python 3.11 and opencv-python-headless 5.0.0.93, av 18.1.0, pillow 13.0.0, tifffile 2026.3.3,
# imagecodecs 2026.3.6, numpy 2.4.6:
#   jpeg      tifffile 200   Pillow 200       OpenCV 200    PyAV 0
#   jpeg2000  tifffile 200   Pillow refused   OpenCV 0      PyAV refused
#   jpegxl    tifffile 200   Pillow refused   OpenCV 0      PyAV refused
#   zstd      tifffile 200   Pillow 200       OpenCV None   PyAV refused
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet opencv-python-headless==5.0.0.93 av==18.1.0 pillow==13.0.0 tifffile==2026.3.3 \
    imagecodecs==2026.3.6 numpy==2.4.6

OPENCV_LOG_LEVEL=SILENT FOLDER="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import os
import sys

import av
import cv2
import numpy as np
import tifffile
from PIL import Image

av.logging.set_level(av.logging.PANIC)


def by_opencv(path):
    picture = cv2.imread(path)
    return "None" if picture is None else str(int(picture[8, 8, 2]))


def by_pillow(path):
    try:
        with Image.open(path) as picture:
            return str(picture.getpixel((8, 8))[0])
    except OSError:
        return "refused"


def by_pyav(path):
    try:
        with av.open(path) as file:
            return str(int(next(file.decode(video=0)).to_ndarray(format="rgb24")[8, 8, 0]))
    except av.FFmpegError:
        return "refused"


found = {}
for compression in ("jpeg", "jpeg2000", "jpegxl", "zstd"):
    path = os.path.join(os.environ["FOLDER"], f"{compression}.tif")
    pixels = np.full((16, 16, 3), 200, np.uint8)
    tifffile.imwrite(path, pixels, photometric="rgb", compression=compression)
    exact = int(tifffile.imread(path)[8, 8, 0])
    found[compression] = by_pillow(path), by_opencv(path), by_pyav(path)
    pillow, opencv, pyav = found[compression]
    print(f"{compression:9} tifffile {exact:<5} Pillow {pillow:9} OpenCV {opencv:6} PyAV {pyav}")
    assert exact == 200
sys.exit(
    found
    != {
        "jpeg": ("200", "200", "0"),
        "jpeg2000": ("refused", "0", "refused"),
        "jpegxl": ("refused", "0", "refused"),
        "zstd": ("200", "None", "refused"),
    }
)
PYTHON
