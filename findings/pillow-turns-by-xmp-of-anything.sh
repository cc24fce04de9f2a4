#!/usr/bin/env bash
# A JPEG without EXIF whose XMP contains the text tiff:Orientation="6": once as a property of the picture, and once
# inside a comment of the packet.
# The standard way to store an orientation is EXIF (CIPA DC-008, tag 274); browsers, libvips and ImageMagick follow
# nothing else.
#
# Expected: no orientation, and certainly none from a comment.
# What happens: getexif() searches the packet by a pattern, and ImageOps.exif_transpose turns the picture.
#
# Seen with Python 3.11 and pillow 13.0.0:
#   property: orientation 6, size after exif_transpose (8, 12)
#   comment:  orientation 6, size after exif_transpose (8, 12)
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0

"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys

from PIL import Image, ImageOps

RDF = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">%s</rdf:RDF></x:xmpmeta>'
PROPERTY = RDF % b'<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
COMMENT = RDF % b'<!-- formerly tiff:Orientation="6" --><rdf:Description rdf:about=""/>'


def seen(xmp: bytes) -> tuple[int, tuple[int, int]]:
    file = io.BytesIO()
    Image.new("RGB", (12, 8)).save(file, "JPEG", xmp=xmp)
    with Image.open(file) as image:
        return image.getexif().get(274, 1), ImageOps.exif_transpose(image).size


found = [seen(PROPERTY), seen(COMMENT)]
for name, (orientation, size) in zip(("property:", "comment: "), found, strict=True):
    print(name, f"orientation {orientation}, size after exif_transpose {size}")
sys.exit(found != [(6, (8, 12))] * 2)
PYTHON
