"""EXIF and XMP: stripped, kept as far as they are still true, or only the copyright; only broken tags are lost."""

from __future__ import annotations

import io
import struct
from typing import Any

import pytest
from pictures import corpus, encoded, opened, picture, run
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import IFDRational

from imgsrv import describe
from imgsrv.imaging.codecs.encode import encode
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.formats import WRITTEN
from imgsrv.imaging.metadata.exif import DESCRIPTIVE_TAGS
from imgsrv.imaging.metadata.utf8_tags import with_plain_texts
from imgsrv.imaging.model.picture import Metadata, Picture

BASE = ExifTags.Base
WITH_METADATA = [name for name, form in WRITTEN.items() if form.has_metadata]
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf>caf\xc3\xa9</rdf></x:xmpmeta>"


def rich_exif() -> Image.Exif:
    exif = Image.Exif()
    exif[BASE.Artist] = "Ada"
    exif[BASE.Copyright] = "(c) Ada"
    exif[BASE.Make] = "Camera"
    exif[BASE.Orientation] = 6
    exif.get_ifd(ExifTags.IFD.Exif).update(
        {
            BASE.ExposureTime: IFDRational(1, 250),
            BASE.DateTimeOriginal: "2024:05:06 07:08:09",
            BASE.ColorSpace: 65_535,
            BASE.ExifImageWidth: 4000,
            BASE.MakerNote: b"offsets",
        }
    )
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(
        {ExifTags.GPS.GPSLatitudeRef: "N", ExifTags.GPS.GPSLatitude: (52.0, 31.0, 12.0)}
    )
    return exif


def rich(form: str = "JPEG") -> bytes:
    return encoded(picture("RG/BY"), form, exif=rich_exif().tobytes(), xmp=XMP)


@pytest.mark.parametrize("before", ["JPEG", "WEBP", "AVIF", "TIFF"])
@pytest.mark.parametrize("after", WRITTEN)
def test_metadata_is_stripped_by_default(before: str, after: str) -> None:
    got = opened(run(rich(before), format=after))

    assert not {BASE.Artist, BASE.Copyright, BASE.Make, BASE.Orientation} & set(got.getexif())
    assert not got.getexif().get_ifd(ExifTags.IFD.GPSInfo)
    assert not [got.info[key] for key in ("exif", "xmp", "XML:com.adobe.xmp") if got.info.get(key)]


@pytest.mark.parametrize("name", WITH_METADATA)
def test_copyright_keeps_only_artist_and_copyright(name: str) -> None:
    exif = opened(run(rich(), format=name, metadata="copyright")).getexif()

    assert (exif[BASE.Artist], exif[BASE.Copyright]) == ("Ada", "(c) Ada")
    assert BASE.Make not in exif
    assert not exif.get_ifd(ExifTags.IFD.GPSInfo)


@pytest.mark.parametrize("name", WITH_METADATA)
def test_keep_keeps_tags_that_describe_the_picture(name: str) -> None:
    exif = opened(run(rich(), format=name, metadata="keep")).getexif()
    assert (exif[BASE.Artist], exif[BASE.Copyright], exif[BASE.Make]) == ("Ada", "(c) Ada", "Camera")


@pytest.mark.parametrize("name", WITH_METADATA)
def test_keep_keeps_exposure_and_place_but_no_tag_that_is_no_longer_true(name: str) -> None:
    exif = opened(run(rich(), "resize:width=1", format=name, metadata="keep")).getexif()

    block = exif.get_ifd(ExifTags.IFD.Exif)
    assert block[BASE.ExposureTime] == IFDRational(1, 250)
    assert block[BASE.DateTimeOriginal] == "2024:05:06 07:08:09"
    assert not {BASE.ColorSpace, BASE.ExifImageWidth, BASE.MakerNote} & block.keys()
    assert exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] == (52.0, 31.0, 12.0)


@pytest.mark.parametrize("before", ["JPEG", "WEBP", "AVIF", "PNG"])
@pytest.mark.parametrize("after", WITH_METADATA)
def test_keep_keeps_the_xmp(before: str, after: str) -> None:
    data = rich(before)
    if before == "PNG":
        data = run(rich("WEBP"), format="png", metadata="keep")
    xmp = opened(run(data, format=after, metadata="keep")).info["xmp"]
    assert (xmp.encode() if isinstance(xmp, str) else xmp).rstrip(b"\0") == XMP


@pytest.mark.parametrize("metadata", ["copyright", "keep"])
@pytest.mark.parametrize("name", [name for name in WRITTEN if name not in WITH_METADATA])
def test_a_format_without_metadata_is_written_without_it(name: str, metadata: str) -> None:
    assert opened(run(rich(), format=name, metadata=metadata)).size == (2, 2)


ODD_VALUES: list[Any] = [
    "", "é©", b"\xff\0", b"", -1, 70_000, 2**40, 1.5, float("nan"), float("inf"), IFDRational(0, 0),
    (1, 2), ("a", "b"), (1.5, 2), (), (IFDRational(1, 2), IFDRational(3, 0)), {1: 2}, [1, 2],
]  # fmt: skip


@pytest.mark.parametrize("value", ODD_VALUES, ids=repr)
@pytest.mark.parametrize("name", WITH_METADATA)
def test_a_tag_of_any_value_is_written_or_dropped(name: str, value: Any) -> None:
    exif = Image.Exif()
    for tag in DESCRIPTIVE_TAGS:
        exif[tag] = value
    for block in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        exif.get_ifd(block).update({BASE.ExposureTime: value, BASE.DateTimeOriginal: value, 2: value})
    file = io.BytesIO()

    encode(Picture((picture("RG/BY"),), "png", metadata=Metadata(exif)), name, Output(metadata="keep", effort=0), file)

    assert opened(file.getvalue()).size == (2, 2)


@pytest.mark.parametrize("size", [65_000, 70_000, 200_000])
@pytest.mark.parametrize("name", WITH_METADATA)
def test_only_metadata_too_long_for_a_segment_is_lost(name: str, size: int) -> None:
    exif = Image.Exif()
    exif[BASE.ImageDescription] = "x" * size
    data = encoded(picture("RG/BY"), "WEBP", exif=exif.tobytes(), xmp=b"y" * size)
    assert opened(run(data, format=name, metadata="keep")).size == (2, 2)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    "exif", [b"junk", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff"], ids=repr
)
@pytest.mark.parametrize("metadata", ["strip", "keep"])
def test_only_exif_that_cannot_be_read_is_lost(form: str, exif: bytes, metadata: str) -> None:
    data = encoded(picture("RG/BY"), form, exif=exif)
    assert opened(run(data, metadata=metadata)).size == (2, 2)


@pytest.mark.parametrize("compression", ["jpeg", "tiff_lzw", "group4"])
def test_tags_of_the_layout_of_a_tiff_do_not_reach_another_file(compression: str) -> None:
    image = picture("KW/WK", "1" if compression == "group4" else "RGB")
    data = encoded(image, "TIFF", compression=compression, exif=_only_artist())

    assert set(opened(run(data, format="jpeg", metadata="keep")).getexif()) == {BASE.Artist}
    assert opened(run(data, format="tiff", metadata="keep")).size == (2, 2)


def _only_artist() -> Image.Exif:
    exif = Image.Exif()
    exif[BASE.Artist] = "Ada"
    return exif


@pytest.mark.parametrize("name", WITH_METADATA)
@pytest.mark.parametrize(
    "file",
    [
        "photos/landscape-22mp-icc.jpg",
        "photos/blinds-1920x1200.jpg",
        "hostile/broken-exif-tag.jpg",
        "odd/orientation-3.jpg",
    ],
)
def test_metadata_of_cameras_can_be_kept_in_every_format(name: str, file: str) -> None:
    assert opened(run(corpus(file), "resize:width=40", format=name, metadata="keep")).width <= 40


def test_a_comment_does_not_reach_the_result() -> None:
    data = encoded(picture("RG/BY"), "JPEG", comment=b"secret place")
    assert b"secret" not in run(data, metadata="keep")


def test_text_of_a_png_does_not_reach_the_result() -> None:
    text = PngInfo()
    text.add_text("Place", "secret")
    assert b"secret" not in run(encoded(picture("RG/BY"), "PNG", pnginfo=text), metadata="keep")


ARTIST, LENS = "Jörg Ærø 日本", "Größe ƒ/2.8"


def with_texts(artist: bytes, lens: bytes = b"", kind: int = 2) -> bytes:
    """EXIF made by hand: Artist in the main directory, LensModel in that of the exposure, as values of a type."""
    main, below = 8 + 2 + 2 * 12 + 4, 8 + 2 + 2 * 12 + 4 + 2 + 12 + 4
    head = b"MM\0*" + struct.pack(">IH", 8, 2)
    head += (
        struct.pack(">HHII", 0x13B, kind, len(artist) + 1, below) + struct.pack(">HHII", 0x8769, 4, 1, main) + bytes(4)
    )
    lens_at = below + len(artist) + 1
    directory = struct.pack(">HHHII", 1, 0xA434, kind, len(lens) + 1, lens_at) + bytes(4)
    return b"Exif\0\0" + head + directory + artist + b"\0" + lens + b"\0"


@pytest.mark.parametrize("metadata", ["copyright", "keep"])
@pytest.mark.parametrize("name", WITH_METADATA)
def test_a_text_of_exif_keeps_its_bytes(name: str, metadata: str) -> None:
    for artist in (ARTIST.encode(), "Jörg".encode("latin-1"), b"Ada Lovelace"):
        data = run(encoded(picture("RG/BY"), exif=with_texts(artist, LENS.encode())), format=name, metadata=metadata)
        assert opened(data).getexif()[BASE.Artist].encode("latin-1") == artist
        assert artist + b"\0" in data
        assert (LENS.encode() + b"\0" in data) == (metadata == "keep")


def test_texts_of_exif_are_shown_as_utf_8_or_else_as_latin_1() -> None:
    shown = describe(encoded(picture("RG/BY"), exif=with_texts(ARTIST.encode(), LENS.encode())))["exif"]
    assert (shown["artist"], shown["lens"]) == (ARTIST, LENS)
    shown = describe(encoded(picture("RG/BY"), exif=with_texts("Jörg".encode("latin-1"))))["exif"]
    assert shown["artist"] == "Jörg"


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_texts_of_the_type_utf_8_are_read_and_kept(form: str) -> None:
    # Type 129 of Exif 3.0; they are written as ASCII with the same bytes, which all readers know.
    data = encoded(picture("RG/BY"), form, exif=with_texts(ARTIST.encode(), LENS.encode(), kind=129))
    shown = describe(data)["exif"]
    assert (shown["artist"], shown["lens"]) == (ARTIST, LENS)
    kept = run(data, format="webp", metadata="keep")
    assert opened(kept).getexif()[BASE.Artist].encode("latin-1") == ARTIST.encode()
    assert LENS.encode() in kept


def test_data_without_the_type_utf_8_stay_the_same_object() -> None:
    for data in (with_texts(b"Ada Lovelace"), b"", b"Exif\0\0", b"Exif\0\0MM\0*", b"II*\0" + b"\xff" * 9, bytes(99)):
        assert with_plain_texts(data) is data


def test_a_directory_that_points_to_itself_is_read_once() -> None:
    entry = struct.pack("<HHII", 0x8769, 129, 1, 8)
    found = with_plain_texts(b"II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4))
    assert found[12:14] == b"\2\0"
