#!/usr/bin/env bash
# Two JPEGs that are not as they were written: one lacks nothing but its last two bytes, the end marker; the other lacks
# half of its scan and has an end marker behind the cut.
#
# Expected: the first is read (browsers show it, and every block is there); the second is refused, or there is a warning.
# What happens: the other way round.  libjpeg warns of "premature end of data segment", but Pillow does not pass its
# warnings on, and the lower half is grey.
#
# Seen with Python 3.11 and pillow 13.0.0, numpy 2.4.6:
#   without end marker:        OSError: image file is truncated (33 bytes not processed)
#   half a scan, end marker:   read, 0 warnings; 56 of 128 rows have one colour
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 numpy==2.4.6

"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys
import warnings

import numpy as np
from PIL import Image

noise = np.random.default_rng(0).integers(0, 256, (128, 128), np.uint8)
file = io.BytesIO()
Image.fromarray(noise).save(file, "JPEG")
whole = file.getvalue()
scan = whole.index(b"\xff\xda")
half = whole[: (scan + len(whole)) // 2].rstrip(b"\xff") + b"\xff\xd9"

refusal = ""
try:
    Image.open(io.BytesIO(whole[:-2])).load()
except OSError as error:
    refusal = str(error)
print("without end marker:       ", f"OSError: {refusal}" if refusal else "read")

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    rows = np.asarray(Image.open(io.BytesIO(half)))
plain = int((np.ptp(rows, axis=1) == 0).sum())
print("half a scan, end marker:  ", f"read, {len(caught)} warnings; {plain} of {len(rows)} rows have one colour")
sys.exit("truncated" not in refusal or bool(caught) or not 40 < plain < 88)
PYTHON
