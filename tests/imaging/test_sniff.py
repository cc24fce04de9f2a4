"""Formats are known by their first bytes; what is no picture is named."""

from __future__ import annotations

import struct

import pytest
from pictures import corpus, encoded, picture

from imgsrv.errors import UnsupportedFormat
from imgsrv.imaging.formats import FORMATS
from imgsrv.imaging.sniff import SNIFF_BYTES, readable_names, sniff


def iso_file(*brands: bytes) -> bytes:
    body = brands[0] + bytes(4) + b"".join(brands[1:])
    return struct.pack(">I4s", 8 + len(body), b"ftyp") + body + b"mdat"


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_known_from_its_first_bytes(name: str) -> None:
    head = encoded(picture("RG/BY"), FORMATS[name].pillow)[:SNIFF_BYTES]
    assert sniff(head) == name


@pytest.mark.parametrize(
    ("head", "name"),
    [
        pytest.param(b"GIF87a", "gif", id="gif-of-1987"),
        pytest.param(b"MM\0*", "tiff", id="big-endian-tiff"),
        pytest.param(b"II+\0\x08\0\0\0", "tiff", id="bigtiff"),
        pytest.param(b"\xff\x4f\xff\x51", "jp2", id="jpeg-2000-codestream"),
        pytest.param(iso_file(b"avis", b"msf1"), "avif", id="avif-sequence"),
        pytest.param(iso_file(b"mif1", b"miaf", b"avif"), "avif", id="avif-among-the-compatible-brands"),
    ],
)
def test_variants_of_a_format_are_known(head: bytes, name: str) -> None:
    assert sniff(head) == name


@pytest.mark.parametrize(
    ("head", "found"),
    [
        pytest.param(b"%PDF-1.7", "a PDF document", id="pdf"),
        pytest.param(b"\x00\x00\x00\x0cJXL \r\n\x87\n", "a JPEG XL picture", id="jpeg-xl-container"),
        pytest.param(b"\xff\x0a\xfa", "a JPEG XL picture", id="jpeg-xl-codestream"),
        pytest.param(b"8BPS\0\x01", "a Photoshop document", id="psd"),
        pytest.param(b"PK\x03\x04", "a ZIP archive", id="zip"),
        pytest.param(iso_file(b"heic", b"mif1"), "a HEIC picture", id="heic"),
        pytest.param(iso_file(b"isom", b"mp42"), "a video", id="mp4"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing", id="svg"),
        pytest.param(b"<?xml version='1.0'?>\n<!-- x -->\n<svg/>", "an SVG drawing", id="svg-behind-a-declaration"),
        pytest.param(b"\n <!DOCTYPE html><html>", "an HTML page", id="html"),
        pytest.param(b"--boundary\r\nContent-Disposition", "multipart/form-data", id="multipart"),
        pytest.param(b"hello", "in no picture format", id="text"),
        pytest.param(b"", "in no picture format", id="nothing"),
    ],
)
def test_what_is_no_picture_is_named(head: bytes, found: str) -> None:
    with pytest.raises(UnsupportedFormat) as caught:
        sniff(head)

    assert found in caught.value.found
    assert caught.value.supported == readable_names()


@pytest.mark.parametrize(
    ("name", "found"),
    [("odd/Commons-logo.svg", "SVG"), ("odd/image.heic", "HEIC"), ("hostile/image_invalid.jpg", "no picture format")],
)
def test_foreign_files_of_the_corpus_are_named(name: str, found: str) -> None:
    with pytest.raises(UnsupportedFormat, match=found):
        sniff(corpus(name))
