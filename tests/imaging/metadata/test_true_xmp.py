"""XMP: what is no longer true of a result goes, everything else stays, and a packet that cannot be read goes whole."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from pictures import encoded, opened, picture, run

from imgsrv.imaging.metadata.xmp import MOST_BYTES, MOST_DEPTH, true_xmp

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
DC = 'xmlns:dc="http://purl.org/dc/elements/1.1/"'
CAMERA = "http://ns.google.com/photos/1.0/camera/"
CONTAINER = "http://ns.google.com/photos/1.0/container/"
GAIN_MAP = "http://ns.adobe.com/hdr-gain-map/1.0/"
PANORAMA = "http://ns.google.com/photos/1.0/panorama/"
TIFF, EXIF = "http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/exif/1.0/"


def packet(inside: str, attributes: str = "") -> bytes:
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}">'
        f'<rdf:Description rdf:about="" {attributes}>{inside}</rdf:Description></rdf:RDF></x:xmpmeta>'
        '<?xpacket end="w"?>'
    ).encode()


def tree(data: bytes) -> ET.Element:
    """A packet as an independent parser reads it."""
    return ET.fromstring(data.decode())  # noqa: S314  made by this test


def names(data: bytes) -> set[str]:
    """Elements and attributes of a packet, as {namespace}name."""
    return {name for element in tree(data).iter() for name in (element.tag, *element.attrib)}


@pytest.mark.parametrize(
    ("namespace", "name"),
    [
        (GAIN_MAP, "Version"),
        (GAIN_MAP, "GainMapMax"),
        (CAMERA, "MotionPhoto"),
        (CAMERA, "MicroVideoOffset"),
        (CONTAINER, "Directory"),
        (f"{CONTAINER}item/", "Length"),
        ("http://ns.apple.com/HDRGainMap/1.0/", "HDRGainMapVersion"),
        ("http://ns.google.com/photos/dd/1.0/device/", "Container"),
        ("http://ns.adobe.com/xmp/note/", "HasExtendedXMP"),
        (TIFF, "Orientation"),
        (TIFF, "ImageWidth"),
        (EXIF, "PixelXDimension"),
        (EXIF, "ColorSpace"),
        ("http://ns.adobe.com/photoshop/1.0/", "ICCProfile"),
    ],
)
@pytest.mark.parametrize("is_element", [True, False], ids=["element", "attribute"])
def test_a_property_that_is_not_true_of_a_result_goes_under_any_prefix(
    namespace: str,
    name: str,
    is_element: bool,  # noqa: FBT001  a table row
) -> None:
    inside, attributes = f"<dc:rights {DC}>Ada</dc:rights>", f'xmlns:any="{namespace}"'
    if is_element:
        inside += f"<any:{name}><rdf:Seq><rdf:li>1</rdf:li></rdf:Seq></any:{name}>"
    else:
        attributes += f" any:{name}='1'"
    before = packet(inside, attributes)
    assert f"{{{namespace}}}{name}" in names(before)

    after = true_xmp(before, is_reshaped=False)

    assert f"{{{namespace}}}{name}" not in names(after)
    assert names(after) == names(before) - {f"{{{namespace}}}{name}"} - (
        {f"{{{RDF}}}Seq", f"{{{RDF}}}li"} if is_element else set()
    )


def test_other_properties_of_the_same_namespaces_stay() -> None:
    before = packet(
        '<tiff:Make>Camera</tiff:Make><dc:title xmlns:dc="urn:dc">a &lt; b &amp; "c" é</dc:title><!-- note -->',
        f'xmlns:tiff="{TIFF}" xmlns:GCamera="{CAMERA}" tiff:Orientation="6" GCamera:BurstID="a&quot;b&#10;c"',
    )
    after = true_xmp(before, is_reshaped=False)

    root = tree(after)
    assert root.findtext(f".//{{{TIFF}}}Make") == "Camera"
    assert root.findtext(".//{urn:dc}title") == 'a < b & "c" é'
    assert root.find(f".//{{{RDF}}}Description").attrib[f"{{{CAMERA}}}BurstID"] == 'a"b\nc'  # type: ignore[union-attr]
    assert after.startswith('<?xpacket begin="\ufeff"'.encode())
    assert b"<!-- note -->" in after


def test_a_packet_without_stale_properties_stays_byte_for_byte() -> None:
    before = packet(f"<dc:rights {DC} >Ada</dc:rights >\n   ") + b"\n" + b" " * 100
    assert true_xmp(before, is_reshaped=True) == before


def test_a_prefix_means_what_the_innermost_element_says() -> None:
    before = packet(
        f'<a:Version xmlns:a="{GAIN_MAP}">1</a:Version><a:Version>2</a:Version>',
        'xmlns:a="urn:mine"',
    )
    root = tree(true_xmp(before, is_reshaped=False))
    assert [one.text for one in root.iter("{urn:mine}Version")] == ["2"]
    assert not list(root.iter(f"{{{GAIN_MAP}}}Version"))


@pytest.mark.parametrize(
    ("namespace", "name"),
    [
        (PANORAMA, "CroppedAreaImageWidthPixels"),
        ("http://www.metadataworkinggroup.com/schemas/regions/", "Regions"),
        ("http://iptc.org/std/Iptc4xmpExt/2008-02-29/", "ImageRegion"),
    ],
)
@pytest.mark.parametrize(("pipeline", "is_kept"), [("", True), ("grayscale", True), ("flip", False)])
def test_places_in_the_picture_go_where_pixels_have_moved(
    namespace: str,
    name: str,
    pipeline: str,
    is_kept: bool,  # noqa: FBT001  a table row
) -> None:
    data = encoded(picture("RG/BY"), "JPEG", xmp=packet("", f'xmlns:any="{namespace}" any:{name}="1"'))
    found = opened(run(data, pipeline, metadata="keep")).info["xmp"]
    assert (f"{{{namespace}}}{name}" in names(found)) == is_kept


def test_utf_16_is_read_and_written_as_utf_8() -> None:
    text = packet("é", f'xmlns:hdrgm="{GAIN_MAP}" hdrgm:Version="1.0"').decode()
    after = true_xmp(('<?xml version="1.0" encoding="UTF-16"?>' + text).encode("utf-16"), is_reshaped=False)
    assert "é" in after.decode()
    assert b"hdrgm" not in after


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<a>", id="unclosed"),
        pytest.param(b"<a></b>", id="crossed"),
        pytest.param(b"\xff\xfe\x00", id="no-text"),
        pytest.param(b'<?xml version="1.0" encoding="nonsense"?><a/>', id="unknown-encoding"),
        pytest.param(b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', id="entities"),
        pytest.param(b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', id="document-type"),
        pytest.param(b"<a>" * (MOST_DEPTH + 1) + b"</a>" * (MOST_DEPTH + 1), id="deep"),
        pytest.param(b"<a>" + b" " * MOST_BYTES + b"</a>", id="long"),
    ],
)
def test_a_packet_that_cannot_be_read_goes(data: bytes) -> None:
    assert true_xmp(data, is_reshaped=False) == b""


@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "avif", "tiff"])
def test_no_format_announces_a_gain_map_or_a_video_that_it_does_not_have(name: str) -> None:
    xmp = packet(
        "", f'xmlns:h="{GAIN_MAP}" xmlns:c="{CAMERA}" h:Version="1.0" c:MotionPhoto="1" c:MicroVideoOffset="9"'
    )
    data = run(encoded(picture("RG/BY"), "JPEG", xmp=xmp), format=name, metadata="keep")
    assert not [one for one in (b"MotionPhoto", b"MicroVideo", b"Version=", b"hdr-gain-map") if one in data]
