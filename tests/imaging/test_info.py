"""`POST /info`: the description of a picture, from its header alone."""

from __future__ import annotations

import io
import json

import pytest
from pictures import SAMPLES, animation, encoded, picture, run, sample
from PIL import ExifTags, Image, ImageCms
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import IFDRational

from imgsrv import describe
from imgsrv.errors import InvalidParameter, RepeatedParameter, TooManyFrames, TooManyPixels, Undecodable
from imgsrv.imaging.analysis.measures import MEASURES
from imgsrv.imaging.codecs.decode import DecodePlan, decode, read_header
from imgsrv.imaging.codecs.frame_durations import read_durations
from imgsrv.imaging.formats import FORMATS
from imgsrv.imaging.info import INCLUDES, describe_picture, parse_include
from imgsrv.imaging.model.limits import Limits


def _file(mode: str, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.new(mode, (6, 4)).save(file, form, **options)
    return file.getvalue()


def test_a_plain_picture_is_described() -> None:
    assert describe_picture(_file("RGB", "JPEG"), Limits()) == {
        "format": "jpeg",
        "media_type": "image/jpeg",
        "width": 6,
        "height": 4,
        "mode": "RGB",
        "bit_depth": 8,
        "has_alpha": False,
        "frames": 1,
        "durations": [],
        "plays": None,
        "orientation": 1,
        "profile": None,
        "exif": {},
        "iptc": {},
        "xmp": {},
        "gain_map": False,
    }


def test_the_size_is_that_of_the_upright_picture() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6

    found = describe_picture(_file("RGB", "JPEG", exif=exif), Limits())

    assert (found["width"], found["height"], found["orientation"]) == (4, 6, 6)


def test_a_profile_is_named() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

    assert "sRGB" in (describe_picture(_file("RGB", "PNG", icc_profile=profile), Limits())["profile"] or "")


def test_an_unreadable_profile_is_reported_as_unreadable() -> None:
    assert describe_picture(_file("RGB", "PNG", icc_profile=b"nonsense" * 40), Limits())["profile"] == "unreadable"


@pytest.mark.parametrize(("mode", "expected"), [pytest.param("RGBA", True), pytest.param("L", False)])
def test_alpha_is_reported(mode: str, *, expected: bool) -> None:
    assert describe_picture(_file(mode, "PNG"), Limits())["has_alpha"] is expected


def test_a_long_text_is_shortened() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "M" * 60_000

    assert describe_picture(_file("RGB", "JPEG", exif=exif), Limits())["exif"] == {"make": "M" * 200}


def test_a_picture_over_the_limit_is_not_described() -> None:
    with pytest.raises(TooManyPixels):
        describe_picture(_file("RGB", "PNG"), Limits(max_pixels=23))


# ---- animations --------------------------------------------------------------------------------------

FRAMES = [picture("RG/BY"), picture("GR/BY"), picture("YY/BY")]


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP"])
@pytest.mark.parametrize(("loop", "durations"), [(0, [40, 200, 1000]), (3, [10, 20, 30])])
def test_durations_and_plays_are_those_that_decoding_finds(form: str, loop: int, durations: list[int]) -> None:
    # A GIF has the number of repetitions, the others that of plays.
    plays = loop + 1 if loop and form == "GIF" else loop
    data = animation(FRAMES, form, duration=durations, loop=loop)
    decoded = decode(read_header(data, Limits()), DecodePlan(all_frames=True), Limits())

    found = describe_picture(data, Limits())

    assert (found["frames"], found["durations"], found["plays"]) == (3, durations, plays)
    assert (list(decoded.durations), decoded.plays) == (durations, plays)


def test_the_still_picture_beside_an_animated_png_is_no_frame() -> None:
    data = animation(FRAMES, "PNG", duration=40, default_image=True)

    assert (describe_picture(data, Limits())["frames"], describe_picture(data, Limits())["durations"]) == (2, [40, 40])


@pytest.mark.parametrize("alpha", [255, 100])
@pytest.mark.parametrize("durations", [[40, 40, 40], [40, 200, 1000]])
def test_the_durations_of_an_avif_are_told(durations: list[int], alpha: int) -> None:
    frames = [frame.resize((32, 32)).convert("RGBA") for frame in FRAMES]
    for frame in frames:
        frame.putalpha(alpha)
    data = animation(frames, "AVIF", duration=durations)

    found = describe_picture(data, Limits())

    assert (found["frames"], found["durations"], found["plays"]) == (3, durations, 0)
    assert describe_picture(encoded(frames[0], "AVIF"), Limits())["durations"] == []


def test_an_avif_whose_seconds_have_no_units_has_no_durations() -> None:
    data = animation([frame.resize((32, 32)) for frame in FRAMES], "AVIF", duration=40)
    at = data.index(b"mdhd") + 8
    wide = 8 if data[at - 4] else 4
    broken = data[: at + 2 * wide] + bytes(4) + data[at + 2 * wide + 4 :]

    assert read_durations(FORMATS["avif"], 3, broken, Limits()) == ()


def test_an_avif_of_very_many_durations_is_over_the_limit() -> None:
    data = bytearray(animation([frame.resize((32, 32)) for frame in FRAMES], "AVIF", duration=40))
    at = data.index(b"stts") + 12
    data[at : at + 4] = b"\xff\xff\xff\xff"

    with pytest.raises(TooManyFrames):
        read_durations(FORMATS["avif"], 3, bytes(data), Limits())


def test_a_truncated_animation_has_its_complete_frames() -> None:
    data = animation(FRAMES, "GIF", duration=40)

    assert describe_picture(data[: data.rindex(b"!\xf9")], Limits())["durations"] == [40, 40]


def test_an_animation_over_the_limit_is_not_described() -> None:
    with pytest.raises(TooManyFrames):
        describe_picture(animation(FRAMES, "GIF"), Limits(max_frames=2))


# ---- depth -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "bits"),
    [
        pytest.param(encoded(picture("RG", "1")), 1, id="png-of-1"),
        pytest.param(encoded(Image.new("I;16", (2, 2))), 16, id="png-of-16"),
        pytest.param(encoded(Image.new("I;16", (2, 2)), "TIFF"), 16, id="tiff-of-16"),
        pytest.param(encoded(picture("RG"), "TIFF"), 8, id="tiff-of-8"),
        pytest.param(encoded(picture("RG"), "WEBP"), 8, id="webp"),
        pytest.param(encoded(picture("RG", "1"), "BMP"), 1, id="bmp-of-1"),
        pytest.param(encoded(picture("RG").resize((32, 32)), "AVIF"), 8, id="avif-of-8"),
        pytest.param(encoded(Image.new("I;16", (64, 64)), "JPEG2000"), 16, id="jp2-of-16"),
        pytest.param(encoded(picture("RG").resize((32, 32)), "JPEG2000", no_jp2=True), 8, id="bare-jpeg-2000"),
    ],
)
def test_the_bit_depth_is_that_of_the_file(data: bytes, bits: int) -> None:
    assert describe_picture(data, Limits())["bit_depth"] == bits


# ---- texts -------------------------------------------------------------------------------------------

XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="#"><rdf:Description xmp:Rating="4"
 xmp:CreatorTool="Dark &amp; Room"><dc:title><rdf:Alt><rdf:li xml:lang="x-default">Kölner Dom</rdf:li></rdf:Alt>
</dc:title></rdf:Description></rdf:RDF></x:xmpmeta>"""


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "PNG", "AVIF"])
def test_xmp_is_reported(form: str) -> None:
    image = sample("chelsea.png").resize((64, 64))
    options: dict[str, object] = {"xmp": XMP.encode()}
    if form == "PNG":
        options = {"pnginfo": PngInfo()}
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", XMP)  # type: ignore[attr-defined]  # it was just made

    found = describe_picture(encoded(image, form, **options), Limits())["xmp"]

    assert found == {"title": "Kölner Dom", "tool": "Dark & Room", "rating": "4"}


def test_an_entity_of_thousands_of_digits_in_xmp_is_told_as_it_stands() -> None:
    xmp = f"<dc:title>a&#{'1' * 5000};b</dc:title><dc:rights>&copy; me</dc:rights>"

    found = describe_picture(_file("RGB", "JPEG", xmp=xmp.encode()), Limits())["xmp"]

    assert found["title"].startswith("a&#111")
    assert found["rights"] == "© me"


def _iptc(*entries: tuple[int, bytes]) -> bytes:
    """A JPEG with IPTC entries of record 2."""
    blob = b"".join(b"\x1c\x02" + bytes([number]) + len(text).to_bytes(2, "big") + text for number, text in entries)
    blob += b"\0" * (len(blob) % 2)
    resource = b"8BIM\x04\x04\0\0" + len(blob).to_bytes(4, "big") + blob
    segment = b"Photoshop 3.0\0" + resource
    data = _file("RGB", "JPEG")
    return data[:2] + b"\xff\xed" + (len(segment) + 2).to_bytes(2, "big") + segment + data[2:]


def test_iptc_is_reported_with_its_keywords() -> None:
    data = _iptc((5, b"Cathedral"), (80, "Müller".encode("latin-1")), (25, b"stone"), (25, "höhe".encode()))

    assert describe_picture(data, Limits())["iptc"] == {
        "title": "Cathedral",
        "byline": "Müller",
        "keywords": ["stone", "höhe"],
    }


def test_no_amount_of_text_is_too_long_for_a_reply() -> None:
    entries = [(25, "\U0001f408".encode() * 70)] * 200
    exif = Image.Exif()
    for tag in (ExifTags.Base.Make, ExifTags.Base.Model, ExifTags.Base.Software, ExifTags.Base.Artist):
        exif[tag] = "\x01" * 3000 + "é" * 3000

    for data in (_iptc(*entries), _file("RGB", "JPEG", exif=exif, xmp=XMP.replace("K", "\U0001f408" * 5000).encode())):
        assert len(json.dumps(describe_picture(data, Limits()))) < 60_000


def test_the_exposure_is_reported() -> None:
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif).update({ExifTags.Base.ISOSpeedRatings: 400, ExifTags.Base.LensModel: "50 mm"})

    assert describe_picture(_file("RGB", "JPEG", exif=exif), Limits())["exif"] == {"lens": "50 mm", "iso": "400"}


def _placed(**changed: object) -> bytes:
    tags: dict[str, object] = {
        "GPSLatitudeRef": "N", "GPSLatitude": (50.0, 56.0, 28.68), "GPSLongitudeRef": "W",
        "GPSLongitude": (6.0, 57.0, 29.16), "GPSAltitude": 55.5, "GPSAltitudeRef": b"\1",
    }  # fmt: skip
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(
        {ExifTags.GPS[name]: value for name, value in {**tags, **changed}.items()}
    )
    return _file("RGB", "JPEG", exif=exif)


def test_the_place_is_reported_if_include_names_it() -> None:
    found = describe_picture(_placed(), Limits(), ("gps",))

    assert found["gps"] == {"latitude": 50.9413, "longitude": -6.9581, "altitude_m": -55.5}


def test_the_place_is_not_reported_otherwise() -> None:
    found = describe_picture(_placed(), Limits(), parse_include("all"))

    assert "gps" not in found
    assert "50" not in json.dumps(found["exif"])


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"GPSLatitude": (99.0, 0.0, 0.0)}, id="beyond-the-pole"),
        pytest.param({"GPSLongitude": (1.0, 2.0)}, id="too-few-numbers"),
        pytest.param({"GPSLatitude": (IFDRational(0, 0), 0.0, 0.0)}, id="no-number"),
    ],
)
def test_an_impossible_place_is_none(changed: dict[str, object]) -> None:
    assert describe_picture(_placed(**changed), Limits(), ("gps",))["gps"] is None


# ---- include -----------------------------------------------------------------------------------------


def test_nothing_is_measured_by_default() -> None:
    # Decoding would fail: half of the pixels are not there.
    data = encoded(sample("chelsea.png"))
    data = data[: len(data) // 2]

    assert describe_picture(data, Limits())["width"] == sample("chelsea.png").width
    with pytest.raises(Undecodable):
        describe_picture(data, Limits(), ("average",))


def test_all_means_every_measure_without_the_place() -> None:
    assert parse_include("all") == tuple(MEASURES)
    assert parse_include("gps,all") == (*MEASURES, "gps")


def test_included_measures_come_in_the_order_of_the_table() -> None:
    assert parse_include("sharpness,average") == ("average", "sharpness")


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidParameter, match="did you mean palette") as caught:
        parse_include("average,pallete")

    assert all(name in str(caught.value) for name in INCLUDES)


@pytest.mark.parametrize("text", ["", "average,", ","])
def test_an_empty_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter):
        parse_include(text)


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(RepeatedParameter):
        parse_include("phash,phash")


@pytest.mark.parametrize("name", ["coffee.jpg", "chelsea.png", "hubble_deep_field.jpg"])
@pytest.mark.parametrize("measure", ["blurhash", "thumbhash"])
def test_a_placeholder_is_the_same_as_a_result_and_as_a_measure(name: str, measure: str) -> None:
    for data in (encoded(sample(name)), encoded(sample(name), "JPEG"), (SAMPLES / name).read_bytes()):
        assert run(data, format=measure).decode() == dict(describe(data, [measure]))[measure]
