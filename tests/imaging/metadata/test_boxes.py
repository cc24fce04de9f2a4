"""EXIF and XMP in boxes: packed ones of JPEG XL, and those of JPEG 2000."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import pytest
from boxed import item_box
from pictures import encoded, opened, run, sample
from PIL import Image

from imgsrv.imaging.formats.jp2_header import EXIF_BOX, XMP_BOX
from imgsrv.imaging.formats.jxl_header import CONTAINER
from imgsrv.imaging.info import describe_picture
from imgsrv.imaging.model.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

PACKET = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" dc:format="wood"/></rdf:RDF></x:xmpmeta>'
)

ARTIST, ORIENTATION = 315, 274

SMALL = sample("coffee.jpg").resize((40, 30))


def tags() -> bytes:
    """EXIF from its TIFF header on; its orientation is one that no picture here has."""
    exif = Image.Exif()
    exif[ARTIST], exif[ORIENTATION] = "A. Wood", 6
    return exif.tobytes().removeprefix(b"Exif\0\0")


def brob(kind: bytes, content: bytes) -> bytes:
    return item_box(b"brob", kind + bytes(imagecodecs.brotli_encode(content)))


def jpegxl(*boxes: bytes) -> bytes:
    codestream = bytes(imagecodecs.jpegxl_encode(np.asarray(SMALL), usecontainer=False))
    return CONTAINER + item_box(b"ftyp", b"jxl \0\0\0\0jxl ") + b"".join(boxes) + item_box(b"jxlc", codestream)


def jpeg2000(*boxes: bytes, is_behind: bool = False) -> bytes:
    whole = encoded(SMALL, "JPEG2000")
    at = len(whole) if is_behind else whole.index(b"jp2c") - 4
    return whole[:at] + b"".join(boxes) + whole[at:]


FILES: dict[str, Callable[[], bytes]] = {
    "JPEG XL": lambda: jpegxl(item_box(b"Exif", bytes(4) + tags()), item_box(b"xml ", PACKET)),
    "JPEG XL, packed": lambda: jpegxl(brob(b"Exif", bytes(4) + tags()), brob(b"xml ", PACKET)),
    "JPEG XL, packed without an offset": lambda: jpegxl(brob(b"Exif", tags()), brob(b"xml ", PACKET)),
    "JPEG 2000": lambda: jpeg2000(item_box(b"uuid", EXIF_BOX + tags()), item_box(b"uuid", XMP_BOX + PACKET)),
    "JPEG 2000, as Photoshop has it": lambda: jpeg2000(
        item_box(b"uuid", EXIF_BOX + b"Exif\0\0" + tags()), item_box(b"uuid", XMP_BOX + PACKET)
    ),
    "JPEG 2000, behind its pixels": lambda: jpeg2000(
        item_box(b"uuid", EXIF_BOX + tags()), item_box(b"uuid", XMP_BOX + PACKET), is_behind=True
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_it_is_kept_and_told(name: str) -> None:
    data = FILES[name]()

    result = opened(run(data, format="jpeg", metadata="keep"))
    told = describe_picture(data, Limits())

    assert result.size == (40, 30)
    assert result.getexif()[ARTIST] == "A. Wood"
    assert b'dc:format="wood"' in result.info["xmp"]
    assert told["exif"]["artist"] == "A. Wood"
    assert told["orientation"] == 1


@pytest.mark.parametrize("name", FILES)
def test_it_goes_where_nobody_asks_for_it(name: str) -> None:
    result = opened(run(FILES[name](), format="jpeg"))

    assert len(result.getexif()) == 0
    assert "xmp" not in result.info


@pytest.mark.parametrize(
    "box",
    [
        item_box(b"brob", b"xml zzzzzzzz"),
        item_box(b"brob", b"xml "),
        item_box(b"brob", b""),
        brob(b"xml ", bytes(2 << 20)),
        brob(b"jumb", PACKET),
    ],
    ids=["broken", "empty", "without a kind", "too long", "of another kind"],
)
def test_a_picture_whose_packed_metadata_cannot_be_read_is_still_the_picture(box: bytes) -> None:
    result = opened(run(jpegxl(box), format="jpeg", metadata="keep"))

    assert result.size == (40, 30)
    assert "xmp" not in result.info


def test_metadata_of_jpeg_2000_is_bounded() -> None:
    data = jpeg2000(
        item_box(b"uuid", XMP_BOX + PACKET + b" " * (2 << 20)), item_box(b"uuid", b"x"), item_box(b"uuid", b"")
    )

    with Image.open(io.BytesIO(data), formats=["JP2"]) as image:
        assert 1000 < len(image.info["xmp"]) <= 1 << 20
