"""Formats are recognised by their first bytes; an error names the kind of a file that is no picture."""

from __future__ import annotations

import struct

import pytest
from pictures import corpus, encoded, picture

from imgsrv.errors import UnsupportedFormat
from imgsrv.imaging.codecs import sniff as sniffing
from imgsrv.imaging.codecs.sniff import SNIFF_BYTES, readable_names, sniff
from imgsrv.imaging.formats import FORMATS, KNOWN, WRITTEN


def iso_file(*brands: bytes) -> bytes:
    body = brands[0] + bytes(4) + b"".join(brands[1:])
    return struct.pack(">I4s", 8 + len(body), b"ftyp") + body + b"mdat"


@pytest.mark.parametrize("name", WRITTEN)
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
        pytest.param(b"v/1\x01\2\0\0\0", "an OpenEXR picture", id="exr"),
        pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0", "EPS", id="eps"),
        pytest.param(b"icns\0\0\0\x08", "an ICNS icon", id="icns"),
        pytest.param(b"DDS |\0\0\0", "a DDS texture", id="dds"),
        pytest.param(b"AT&TFORM\0\0\0\0DJVU", "a DjVu document", id="djvu"),
        pytest.param(b"SIMPLE  =                    T", "a FITS picture", id="fits"),
        pytest.param(b"\0" * 128 + b"DICM", "a DICOM picture", id="dicom"),
        pytest.param(b"\x1a\x45\xdf\xa3\x01", "a video in Matroska or WebM", id="webm"),
        pytest.param(b"RIFF\0\0\0\0AVI LIST", "an AVI video", id="avi"),
        pytest.param(b"\x1f\x8b\x08\0", "a gzip archive", id="gzip"),
        pytest.param(b"PK\x03\x04", "a ZIP archive", id="zip"),
        pytest.param(iso_file(b"isom", b"mp42"), "a video", id="mp4"),
        pytest.param(b"\n <html><svg/></html>", "an HTML page", id="html-with-a-drawing"),
        pytest.param(b"\n <!DOCTYPE html><html>", "an HTML page", id="html"),
        pytest.param(b"--boundary\r\nContent-Disposition", "multipart/form-data", id="multipart"),
        pytest.param(b"hello", "in no picture format", id="text"),
        pytest.param(b"", "in no picture format", id="nothing"),
    ],
)
def test_the_error_names_the_kind_of_a_file_that_is_no_picture(head: bytes, found: str) -> None:
    with pytest.raises(UnsupportedFormat) as caught:
        sniff(head)

    assert found in caught.value.found
    assert caught.value.supported == readable_names()


OPTIONAL = [
    pytest.param(b"%PDF-1.7", "pdf", id="pdf"),
    pytest.param(b"\x00\x00\x00\x0cJXL \r\n\x87\n", "jxl", id="jpeg-xl-container"),
    pytest.param(b"\xff\x0a\xfa", "jxl", id="jpeg-xl-codestream"),
    pytest.param(iso_file(b"heic", b"mif1"), "heic", id="heic"),
    pytest.param(iso_file(b"mif1", b"heix"), "heic", id="heic-among-the-compatible-brands"),
    pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "svg", id="svg"),
    pytest.param(b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- x -->\n<svg/>", "svg", id="svg-behind-a-declaration"),
]
"""Formats that come with an extra."""


@pytest.mark.parametrize(("head", "name"), OPTIONAL)
def test_a_format_is_known_if_its_extra_is_installed(head: bytes, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sniffing, "FORMATS", KNOWN)
    assert sniff(head) == name


@pytest.mark.parametrize(("head", "name"), OPTIONAL)
def test_without_its_extra_a_format_is_refused_and_the_extra_is_named(
    head: bytes, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sniffing, "FORMATS", {key: form for key, form in FORMATS.items() if not form.extra})

    with pytest.raises(UnsupportedFormat) as caught:
        sniff(head)

    form = KNOWN[name]
    assert caught.value.found == f"{form.label}, which the extra `{form.extra}` adds"
    assert form.label not in caught.value.supported


@pytest.mark.parametrize(("name", "found"), [("odd/Commons-logo.svg", "svg"), ("odd/image.heic", "heic")])
def test_optional_formats_of_the_corpus_are_known(name: str, found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sniffing, "FORMATS", KNOWN)
    assert sniff(corpus(name)) == found


def test_a_broken_file_of_the_corpus_is_no_picture() -> None:
    with pytest.raises(UnsupportedFormat, match="no picture format"):
        sniff(corpus("hostile/image_invalid.jpg"))
