"""The place of a photograph never survives `strip` or `copyright`, neither in EXIF nor in XMP, in any format."""

from __future__ import annotations

import pytest
from pictures import encoded, opened, run, sample
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from imgsrv.imaging.formats import FORMATS, WRITTEN

PLACE = b"Secretville"
"""A marker that is looked for in the bytes of the result, wherever it may be."""

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description exif:GPSLatitude="52,31.2N" photoshop:City="Secretville"/></rdf:RDF></x:xmpmeta>'
)

WITH_METADATA = [name for name, form in WRITTEN.items() if form.has_metadata]


def located(name: str) -> bytes:
    """A picture with its place in every form that its format has."""
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Ada"
    exif[ExifTags.Base.Copyright] = "(c) Ada"
    exif[ExifTags.Base.ImageDescription] = "seen in Secretville"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = b"ASCII\0\0\0Secretville"
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(
        {
            ExifTags.GPS.GPSLatitudeRef: "N",
            ExifTags.GPS.GPSLatitude: (52.0, 31.0, 12.0),
            ExifTags.GPS.GPSAreaInformation: PLACE,
        }
    )
    image = sample("chelsea.png").resize((24, 16))
    if name == "png":
        text = PngInfo()
        text.add_itxt("XML:com.adobe.xmp", XMP.decode())
        text.add_text("Comment", "Secretville")
        return encoded(image, "PNG", exif=exif, pnginfo=text)
    if name == "tiff":
        exif[700] = XMP
        # libtiff writes no directory below the main one; Pillow's own writer, without compression, does.
        return encoded(image, "TIFF", exif=exif)
    given = bytes(4) + exif.tobytes()[6:] if name == "jxl" else exif.tobytes()
    more = {"comment": b"Secretville"} if name == "jpeg" else {}
    return encoded(image, WRITTEN[name].pillow, exif=given, xmp=XMP, **more)


@pytest.mark.parametrize("before", WITH_METADATA)
def test_the_input_contains_the_place(before: str) -> None:
    assert PLACE in located(before)


@pytest.mark.parametrize("metadata", ["strip", "copyright"])
@pytest.mark.parametrize("after", WRITTEN)
@pytest.mark.parametrize("before", WITH_METADATA)
def test_the_result_does_not_contain_the_place(before: str, after: str, metadata: str) -> None:
    for pipeline in ("", "resize:width=12"):
        data = run(located(before), pipeline, format=after, metadata=metadata)
        assert PLACE not in data
        assert b"GPS" not in data
        assert not opened(data).getexif().get_ifd(ExifTags.IFD.GPSInfo)


@pytest.mark.parametrize("after", WITH_METADATA)
@pytest.mark.parametrize("before", WITH_METADATA)
def test_copyright_and_artist_are_kept_between_all_formats(before: str, after: str) -> None:
    exif = opened(run(located(before), format=after, metadata="copyright")).getexif()
    assert (exif[ExifTags.Base.Artist], exif[ExifTags.Base.Copyright]) == ("Ada", "(c) Ada")


def test_a_comment_in_a_drawing_does_not_reach_the_result() -> None:
    if "svg" not in FORMATS:
        pytest.skip("the extra svg is not installed")
    drawing = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><metadata>Secretville</metadata></svg>'
    assert PLACE not in run(drawing, metadata="keep")
