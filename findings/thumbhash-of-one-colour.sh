#!/usr/bin/env bash
# A gradient of 32 × 24 pixels as a ThumbHash, a placeholder of some 25 bytes, by the two packages whose module is called
# `thumbhash`: thumbhash (pure Python) and thumbhash-rs (the Rust library of the format's author).
#
# Expected: both make the same placeholder, but for the last bits, and both show a gradient.  A picture with a hole in it
# has one too: alpha is what ThumbHash has and BlurHash has not.
# What happens: the hash of the pure package is good, but it shows any hash as one single colour: that of the first
# pixel, because it appends to its table of cosines for each pixel and always reads the first ones.  It prints a number
# on standard output while it does so.  A picture with a pixel that is not opaque ends in a TypeError.
#
# Seen with Python 3.11, thumbhash 0.1.2 and thumbhash-rs 0.1.0:
#   thumbhash-rs: 98fa093d…, shown with 727 colours; with alpha: 25 bytes
#   thumbhash:    98fa093d…, shown with 1 colour; with alpha: TypeError
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for package in thumbhash-rs==0.1.0 thumbhash==0.1.2; do
    python3 -m venv "$folder/${package%%=*}"
    "$folder/${package%%=*}/bin/pip" install --quiet "$package"
done

cat >"$folder/look.py" <<'PYTHON'
import contextlib
import io
import json

import thumbhash

WIDTH, HEIGHT = 32, 24


def picture(hole):
    """A gradient, with or without a transparent right half, as bytes of RGBA."""
    return bytes(
        sample
        for y in range(HEIGHT)
        for x in range(WIDTH)
        for sample in (255 * x // (WIDTH - 1), 255 - 255 * y // (HEIGHT - 1), 40, 0 if hole and x > 15 else 255)
    )


opaque = thumbhash.rgba_to_thumb_hash(WIDTH, HEIGHT, picture(hole=False))
with contextlib.redirect_stdout(io.StringIO()):
    _, _, shown = thumbhash.thumb_hash_to_rgba(opaque)
try:
    length = f"{len(thumbhash.rgba_to_thumb_hash(WIDTH, HEIGHT, picture(hole=True)))} bytes"
except TypeError:
    length = "TypeError"
print(json.dumps([bytes(opaque).hex()[:8], len(set(zip(*[iter(shown)] * 4))), length]))
PYTHON

rust=$("$folder/thumbhash-rs/bin/python" "$folder/look.py")
pure=$("$folder/thumbhash/bin/python" "$folder/look.py")
RUST="$rust" PURE="$pure" python3 - <<'PYTHON'
import json
import os
import sys

rust, pure = json.loads(os.environ["RUST"]), json.loads(os.environ["PURE"])
for name, (start, colours, length) in (("thumbhash-rs:", rust), ("thumbhash:   ", pure)):
    print(f"{name} {start}…, shown with {colours} colour{'s' * (colours > 1)}; with alpha: {length}")
sys.exit(not (rust[0] == pure[0] and rust[1] > 100 and rust[2] != "TypeError" and pure[1:] == [1, "TypeError"]))
PYTHON
