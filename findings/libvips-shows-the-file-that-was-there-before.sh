#!/usr/bin/env bash
# A thumbnail is made of a file.  The file is replaced, as careful programs do, by another one that is renamed to its
# place, and the same process makes a thumbnail again.
#
# Expected: that of the new file.  libvips keeps operations, and so what `new_from_file` gave for a name; but the advice
# of its maintainers is `access="sequential"`, which is not kept, and `thumbnail` reads in this way.
# What happens: this goes by the format.  The readers of WebP, SVG and libvips' own format do not say that they read
# sequentially, so their pictures are kept whatever the access, and the thumbnail is that of the file that was there
# before.  Neither the time, nor the size, nor the inode of the file is looked at.  With JPEG, PNG, GIF, TIFF and AVIF
# it works, so a test with a JPEG proves nothing.
# `revalidate=True` (libvips 8.15) reads again for every format, and `pyvips.cache_set_max(0)` keeps nothing.
#
# Seen with CPython 3.11.7 and pyvips 3.2.0, pyvips-binary 8.18.7 (whether sequential access and a thumbnail are new):
#   .png, .jpg, .gif, .tif, .avif: sequential new, thumbnail new, with revalidate new
#   .webp, .svg, .v:               sequential old, thumbnail old, with revalidate new
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
# Without this pyvips compiles itself for the libvips of the system, where there is one.
PKG_CONFIG_LIBDIR=/nowhere "$folder/venv/bin/pip" install --quiet --no-cache-dir pyvips==3.2.0 pyvips-binary==8.18.7

"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import pathlib
import sys

import pyvips

folder = pathlib.Path(sys.argv[1])
OLD, NEW = 200, 20
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><rect width="64" height="64" fill="rgb({0},{0},{0})"/></svg>'


def write(path, level):
    if path.suffix == ".svg":
        path.write_text(SVG.format(level))
    else:
        flat = (pyvips.Image.black(64, 64, bands=3) + level).cast("uchar")
        flat.copy(interpretation="srgb").write_to_file(str(path))


def shown(image):
    return "old" if abs(image.extract_band(0).avg() - OLD) < 10 else "new"


def after_replacing(suffix):
    path, fresh = folder / f"picture{suffix}", folder / f"fresh{suffix}"
    ways = {
        "sequential": lambda: pyvips.Image.new_from_file(str(path), access="sequential"),
        "thumbnail": lambda: pyvips.Image.thumbnail(str(path), 16),
        "with revalidate": lambda: pyvips.Image.new_from_file(str(path), access="sequential", revalidate=True),
    }
    write(path, OLD)
    for way in list(ways)[:2]:
        assert shown(ways[way]()) == "old"
    write(fresh, NEW)
    fresh.rename(path)
    return {name: shown(way()) for name, way in ways.items()}


seen = {suffix: after_replacing(suffix) for suffix in (".png", ".jpg", ".gif", ".tif", ".avif", ".webp", ".svg", ".v")}
for suffix, ways in seen.items():
    print(f"{suffix:5}", ", ".join(f"{name} {what}" for name, what in ways.items()))
kept = {suffix for suffix, ways in seen.items() if (ways["sequential"], ways["thumbnail"]) == ("old", "old")}
right = {suffix for suffix, ways in seen.items() if (ways["sequential"], ways["thumbnail"]) == ("new", "new")}
again = {ways["with revalidate"] for ways in seen.values()}
sys.exit((kept, right, again) != ({".webp", ".svg", ".v"}, {".png", ".jpg", ".gif", ".tif", ".avif"}, {"new"}))
PYTHON
