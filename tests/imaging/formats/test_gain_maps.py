"""Ultra HDR: a JPEG with a gain map keeps it with `hdr=keep`, as libultrahdr reads it."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from dataclasses import replace
from fractions import Fraction
from typing import Any
from xml.etree import ElementTree as ET

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import encoded, run, sample
from PIL import Image, ImageCms

from imgsrv import describe
from imgsrv.errors import TooManyPixels, Undecodable, UnusableParameters
from imgsrv.imaging.codecs.decode import read_header
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.colour.icc import srgb_profile
from imgsrv.imaging.formats.gain_maps.container import read_gain_map, with_gain_map, with_terms
from imgsrv.imaging.formats.gain_maps.index import LITTLE, read_index
from imgsrv.imaging.formats.gain_maps.iso_terms import SIGNATURE, read_iso_terms, written_iso_terms
from imgsrv.imaging.formats.gain_maps.xmp_terms import RDF, read_xmp_terms, written_directory, written_xmp_terms
from imgsrv.imaging.model.gain_map import GainTerms
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.pipelines.cost import estimate
from imgsrv.imaging.pipelines.facts import facts_of
from imgsrv.imaging.pipelines.pipeline import Pipeline
from imgsrv.jobs.archive import Zip
from imgsrv.jobs.batch import process_batch
from imgsrv.jobs.variants import parse_variants

Light = NDArray[np.float32]
"""(H, W, 3): linear, 1 is the white of a display without high dynamic range."""

SIZE = 256, 192

ALIKE = 0.04
"""Difference of light that JPEG and a gain map of fewer pixels make, as the median of what the light is plus 0.05."""

TERMS = GainTerms(
    low=(Fraction(-1), Fraction(-1, 2), Fraction(0)),
    high=(Fraction(3), Fraction(7, 2), Fraction(1, 3)),
    gamma=(Fraction(1), Fraction(2), Fraction(1, 2)),
    base_offset=(Fraction(1, 64),) * 3,
    other_offset=(Fraction(1, 32), Fraction(0), Fraction(-1, 100)),
    base_headroom=Fraction(0),
    other_headroom=Fraction(25, 10),
)


def scene(size: tuple[int, int] = SIZE) -> Light:
    """A wall with a lamp at the left: ten times as bright as white."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width]
    lamp = 8 * np.exp(-(((x - 0.25 * width) / (0.1 * width)) ** 2 + ((y - 0.3 * height) / (0.1 * height)) ** 2))
    wall = 0.05 + 0.5 * x / width
    return np.stack([wall + lamp, 0.8 * wall + lamp, 0.6 * wall + 0.5 * lamp], -1).astype(np.float32)


def ultra_hdr(size: tuple[int, int] = SIZE, scale: int = 4) -> bytes:
    light = np.ones((size[1], size[0], 4), np.float16)
    light[..., :3] = scene(size)
    kinds = imagecodecs.ULTRAHDR
    made = imagecodecs.ultrahdr_encode(light, level=95, scale=scale, gamut=kinds.CG.BT_709, transfer=kinds.CT.LINEAR)
    return bytes(made)


def shown(data: bytes) -> Light:
    """The picture of high dynamic range, as libultrahdr reads it."""
    return np.asarray(imagecodecs.ultrahdr_decode(data)[..., :3], np.float32)


def kept(data: bytes, pipeline: str = "", **output: Any) -> bytes:
    return run(data, pipeline, **{"format": "jpeg", "quality": 95, "hdr": "keep", "icc": "keep", **output})


def difference(found: Light, expected: Light) -> float:
    assert found.shape == expected.shape
    return float(np.median(np.abs(found - expected) / (expected + 0.05)))


def descriptions(data: bytes) -> list[ET.Element]:
    """The descriptions in the XMP of a picture."""
    packet = Image.open(io.BytesIO(data)).info["xmp"]
    found = ET.fromstring(packet).findall(f".//{{{RDF}}}Description")  # noqa: S314  of a file that was just written
    return [one for one in found if [*one.attrib.values()] not in ([], [""])]


def test_a_description_tells_whether_there_is_a_gain_map() -> None:
    data = described()
    assert describe(data)["gain_map"]
    assert not describe(kept(data, hdr="drop"))["gain_map"]
    assert not describe(data[: len(data) // 2])["gain_map"]


def gain_map_of(data: bytes) -> Image.Image:
    found = read_gain_map(data)
    assert found is not None
    return Image.open(io.BytesIO(found.data))


def described(mode: str = "L", size: tuple[int, int] = (64, 48), terms: GainTerms | None = None) -> bytes:
    """A file of a picture and a gain map with such terms."""
    one = terms or replace(TERMS, **{
        name: getattr(TERMS, name)[:1] for name in ("low", "high", "gamma", "base_offset", "other_offset")
    })  # fmt: skip
    levels = np.linspace(0, 255, size[0] * size[1]).reshape(size[::-1]).astype(np.uint8)
    second = encoded(Image.fromarray(levels).convert(mode), "JPEG", quality=95)
    return with_gain_map(encoded(sample("coffee.jpg").resize(SIZE), "JPEG"), with_terms(second, one), b"")


# ---- what libultrahdr reads ---------------------------------------------------------------------------


def test_a_picture_that_is_only_encoded_anew_keeps_its_light() -> None:
    data = ultra_hdr()

    found = shown(kept(data))

    assert found.max() > 7
    assert difference(found, shown(data)) < ALIKE


@pytest.mark.parametrize(
    ("pipeline", "moved"),
    [
        ("flip", lambda light: light[::-1]),
        ("flop", lambda light: light[:, ::-1]),
        ("rotate:degrees=90", lambda light: np.rot90(light, -1)),
        ("orient:value=5", lambda light: light.transpose(1, 0, 2)),
        ("crop:left=32,top=16,width=128,height=96", lambda light: light[16:112, 32:160]),
        ("crop:left=33,top=17,width=101,height=77", lambda light: light[17:94, 33:134]),
        ("flop/crop:left=32,top=16,width=128,height=96/flip", lambda light: light[16:112, ::-1][:, 32:160][::-1]),
        ("sharpen:amount=0.01", lambda light: light),
        ("pad:edge=16,mode=copy", lambda light: np.pad(light, ((16, 16), (16, 16), (0, 0)), "edge")),
    ],
)
def test_light_moves_with_the_pixels(pipeline: str, moved: Any) -> None:
    data = ultra_hdr()

    assert difference(shown(kept(data, pipeline)), moved(shown(data))) < ALIKE


@pytest.mark.parametrize("width", [192, 128, 100, 64, 30])
def test_a_smaller_picture_has_the_light_of_the_scene(width: int) -> None:
    result = kept(ultra_hdr(), f"resize:width={width}")
    size = Image.open(io.BytesIO(result)).size

    expected = np.stack(
        [
            np.asarray(Image.fromarray(shown(ultra_hdr())[..., channel]).resize(size, Image.Resampling.LANCZOS))
            for channel in range(3)
        ],
        -1,
    )
    assert difference(shown(result), expected) < ALIKE
    assert gain_map_of(result).size == (round(width / 4), round(size[1] / 4))


def test_a_crop_to_a_box_by_cover_takes_the_same_part_of_both() -> None:
    data = ultra_hdr()

    found = shown(kept(data, "resize:width=96,height=96,fit=cover,gravity=west"))

    halved = shown(data)[:, :192].reshape(96, 2, 96, 2, 3).mean((1, 3))
    assert difference(found, halved) < ALIKE
    assert gain_map_of(kept(data, "resize:width=96,height=96,fit=cover,gravity=west")).size == (24, 24)


@pytest.mark.parametrize("pipeline", ["pad:edge=32,colour=ffffff", "resize:width=256,height=256,fit=contain"])
def test_margins_have_no_gain(pipeline: str) -> None:
    result = shown(kept(ultra_hdr(), pipeline))
    base = Image.open(io.BytesIO(kept(ultra_hdr(), pipeline))).convert("RGB")

    assert base.getpixel((128, 2)) == (255, 255, 255)
    assert np.abs(result[:8] - 1).max() < 0.1


def test_corners_of_a_rotation_have_no_gain() -> None:
    result = kept(ultra_hdr(), "rotate:degrees=45,background=ffffff")

    assert np.abs(shown(result)[:20, :20] - 1).max() < 0.1


def test_colours_that_are_converted_keep_their_light() -> None:
    """The picture of libultrahdr is in Display P3, and its gains of red, green and blue belong to that."""
    data = ultra_hdr()
    own, converted = kept(data), kept(data, icc="srgb")

    assert "icc_profile" in Image.open(io.BytesIO(own)).info
    assert "icc_profile" not in Image.open(io.BytesIO(converted)).info
    found = read_gain_map(converted)
    assert found
    assert not found.terms.is_in_base_colours
    assert Image.open(io.BytesIO(found.data)).info["icc_profile"]
    # The wall and the lamp are nearly grey, and the same in both.
    assert difference(shown(converted).mean(-1), shown(own).mean(-1)) < ALIKE


def test_without_the_parameter_the_base_picture_is_all_there_is() -> None:
    result = run(ultra_hdr(), format="jpeg", metadata="keep")

    assert read_gain_map(result) is None
    assert b"hdrgm" not in result


# ---- the container ------------------------------------------------------------------------------------


def test_pillow_finds_both_pictures_by_the_index() -> None:
    result = kept(ultra_hdr(), "resize:width=128")

    with Image.open(io.BytesIO(result)) as image:
        index = image._getmp()  # type: ignore[attr-defined]  # Pillow's reader of an MPF index
    first, second = index[0xB002]
    base = result.index(b"MPF\0") + 4
    assert index[0xB001] == 2
    assert (first["DataOffset"], second["DataOffset"] + base) == (0, first["Size"])
    assert first["Size"] + second["Size"] == len(result)
    assert result[first["Size"] - 2 : first["Size"] + 2] == b"\xff\xd9\xff\xd8"


def test_the_directory_has_the_length_of_the_gain_map() -> None:
    result = kept(ultra_hdr())
    found = read_gain_map(result)

    assert found is not None
    assert f'Item:Length="{len(found.data)}"'.encode() in result
    assert [*descriptions(result)[0].attrib.values()] == ["", "1.0"]


def test_kept_metadata_stands_beside_the_directory() -> None:
    packet = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" dc:format="lamp"/></rdf:RDF></x:xmpmeta>'
    )
    second = read_gain_map(ultra_hdr())
    assert second
    exif = Image.Exif()
    exif[0x8298] = "A. Lamp"
    data = with_gain_map(encoded(sample("coffee.jpg").resize(SIZE), "JPEG", exif=exif.tobytes()), second.data, packet)

    result = kept(data, metadata="keep")

    with Image.open(io.BytesIO(result)) as image:
        assert image.getexif()[0x8298] == "A. Lamp"
        assert image.mode == "RGB"
    first, second_one = descriptions(result)
    assert [*first.attrib.values()] == ["lamp"]
    assert [*second_one.attrib.values()] == ["", "1.0"]
    assert result.count(b"Container:Directory>") == 2
    assert shown(result).max() > 1


def test_too_much_xmp_makes_way_for_the_directory() -> None:
    long = written_directory(1, b"").replace(b"</rdf:RDF>", b" " * 65_000 + b"</rdf:RDF>")
    second = read_gain_map(ultra_hdr())
    assert second

    result = with_gain_map(encoded(sample("coffee.jpg"), "JPEG"), second.data, long)

    assert read_gain_map(result) == second


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_the_gain_map_keeps_its_channels(mode: str) -> None:
    result = kept(described(mode), "pad:edge=8,colour=red/round:radius=0.2")

    assert gain_map_of(result).mode == mode
    assert shown(result).shape == (208, 272, 3)


def test_the_terms_are_kept() -> None:
    found = read_gain_map(kept(described("RGB", terms=TERMS), "resize:width=100"))

    assert found
    assert found.terms == TERMS


def test_the_orientation_turns_both() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    second = read_gain_map(ultra_hdr())
    assert second
    base = Image.open(io.BytesIO(ultra_hdr())).convert("RGB")
    data = with_gain_map(encoded(base, "JPEG", exif=exif.tobytes(), quality=95), second.data, b"")
    plain = with_gain_map(encoded(base, "JPEG", quality=95), second.data, b"")

    assert difference(shown(kept(data)), np.rot90(shown(kept(plain)), -1)) < ALIKE


def test_an_upper_bound_of_the_bytes_holds_for_both_pictures() -> None:
    result = kept(ultra_hdr(), quality=80, max_bytes=6000)

    assert len(result) <= 6000
    assert read_gain_map(result)


def test_xmp_alone_is_enough() -> None:
    """Files of the first version of the format have no metadata of ISO 21496-1."""
    data = kept(ultra_hdr()).replace(b"urn:iso:std", b"urn:osi:std")

    found = read_gain_map(kept(data))

    assert found
    assert abs(float(found.terms.high[0]) - 5895489 / 1048576) < 1e-6
    assert difference(shown(kept(data)), shown(ultra_hdr())) < ALIKE


def test_one_output_of_a_batch_keeps_what_another_drops() -> None:
    archive = Zip()
    items = [{"name": "a", "ops": "resize:width=100", "hdr": "keep"}, {"name": "b", "ops": "resize:width=40/grayscale"}]
    process_batch(archive, ultra_hdr(), parse_variants(json.dumps(items).encode(), {}), Limits())

    with zipfile.ZipFile(io.BytesIO(archive.finish())) as opened:
        first, second = (opened.read(name) for name in opened.namelist())

    assert first == run(ultra_hdr(), "resize:width=100", hdr="keep")
    assert read_gain_map(first)
    assert read_gain_map(second) is None


# ---- terms --------------------------------------------------------------------------------------------


def test_terms_are_read_as_they_are_written() -> None:
    assert read_iso_terms(written_iso_terms(TERMS)) == TERMS
    assert written_iso_terms(TERMS)[4] == 128 + 64
    found = read_xmp_terms(written_xmp_terms(TERMS))
    assert found
    for name in ("low", "high", "gamma", "base_offset", "other_offset"):
        assert np.allclose([*map(float, getattr(found, name))], [*map(float, getattr(TERMS, name))], atol=1e-6)


def test_iso_terms_with_one_denominator() -> None:
    numbers = (64, 0, 128, -64, 192, 64, 1, 2)

    found = read_iso_terms(struct.pack(">HHBIIIiiIii", 0, 0, 64 + 8, *numbers))

    assert (found.low, found.high, found.gamma) == ((Fraction(-1),), (Fraction(3),), (Fraction(1),))
    assert [found.base_headroom, found.other_headroom] == [Fraction(0), Fraction(2)]
    assert (found.base_offset, found.other_offset) == ((Fraction(1, 64),), (Fraction(1, 32),))


def test_xmp_terms_have_the_defaults_of_the_specification() -> None:
    packet = (
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:g="'
        'http://ns.adobe.com/hdr-gain-map/1.0/">'
        '<rdf:Description g:Version="1.0" g:HDRCapacityMax="2"><g:GainMapMax> 3.5 </g:GainMapMax>'
        "</rdf:Description></rdf:RDF>"
    )

    found = read_xmp_terms(packet.encode())

    low, high, gamma, base, other = ((Fraction(one),) for one in (0, 3.5, 1, 1 / 64, 1 / 64))
    assert found == GainTerms(low, high, gamma, base, other, Fraction(0), Fraction(2))


@pytest.mark.parametrize(
    ("low", "high", "gamma", "level"),
    [(0, 4, 1, 0), (-1, 3, 1, 64), (-1, 3, 2, 16), (1, 2, 1, 0), (-2, -1, 1, 255), (0, 0, 1, 0)],
)
def test_the_level_of_no_gain(low: int, high: int, gamma: int, level: int) -> None:
    zero = (Fraction(0),)
    terms = GainTerms((Fraction(low),), (Fraction(high),), (Fraction(gamma),), zero, zero, Fraction(0), Fraction(1))

    assert terms.neutral == (level, level, level, 255)


# ---- what is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["tint:colour=red", "blur:sigma=2", "levels:black=10", "grayscale", "text:text=x"])
def test_a_step_that_changes_colours_is_named(step: str) -> None:
    with pytest.raises(UnusableParameters, match=f"the step {step.partition(':')[0]}, which changes colours"):
        kept(ultra_hdr(), f"resize:width=100/{step}")


@pytest.mark.parametrize("form", ["png", "webp", "avif"])
def test_a_format_that_holds_no_gain_map_is_named(form: str) -> None:
    with pytest.raises(UnusableParameters, match=f"format={form} has no use for hdr; jpeg takes it"):
        Output(format=form, hdr="keep").check()


def test_pictures_without_a_gain_map_are_as_they_are() -> None:
    plain = encoded(sample("coffee.jpg"), "JPEG")
    drawing = encoded(sample("coffee.jpg"), "PNG")

    assert run(plain, "rotate:degrees=90", hdr="keep") == run(plain, "rotate:degrees=90")
    assert run(drawing, "blur:sigma=1", hdr="keep") == run(drawing, "blur:sigma=1")


BROKEN = {
    "cut in its pixels": lambda data: data[:-300],
    "no picture": lambda data: data.replace(b"\xff\xc0\0\x0b", b"\xff\xc0\0\0"),
    "of version 1": lambda data: data.replace(SIGNATURE + b"\0\0\0\0\x40", SIGNATURE + b"\0\1\0\0\x40"),
}


@pytest.mark.parametrize("fault", ["no picture", "of version 1"])
def test_a_broken_gain_map_is_named_unless_it_is_dropped(fault: str) -> None:
    data = BROKEN[fault](described())

    with pytest.raises(Undecodable, match=r"its gain map cannot be read.*hdr=drop leaves it out"):
        kept(data)
    assert run(data, format="jpeg") == run(described(), format="jpeg")
    assert read_gain_map(kept(data, broken="accept")) is None


def test_a_gain_map_that_is_cut_off_is_none() -> None:
    """The index then points behind the end of the file, as in a file of which only the first picture was sent."""
    data = BROKEN["cut in its pixels"](described())

    assert read_gain_map(data) is None
    assert kept(data) == kept(data, hdr="drop")


def test_limits_hold_for_the_gain_map() -> None:
    data = described(size=(300, 200))

    with pytest.raises(TooManyPixels):
        run(data, format="jpeg", hdr="keep", limits=Limits(max_pixels=55_000))
    assert run(data, format="jpeg", limits=Limits(max_pixels=55_000))


def test_an_index_in_the_other_order_of_bytes() -> None:
    entries = struct.pack("<IIIHH", 0x030000, 900, 0, 0, 0) + struct.pack("<IIIHH", 0, 100, 800, 0, 0)
    tags = struct.pack("<HHII", 0xB001, 4, 1, 2) + struct.pack("<HHII", 0xB002, 7, 32, 38)

    assert read_index(LITTLE + struct.pack("<IH", 8, 2) + tags + bytes(4) + entries) == [(800, 100)]


# ---- the estimate -------------------------------------------------------------------------------------


def test_the_estimate_counts_the_gain_map() -> None:
    data, limits = described(size=(640, 480)), Limits()
    facts = replace(facts_of(read_header(data, limits), len(data), limits), gain_map=(640, 480))
    pipeline = Pipeline.parse("rotate:degrees=10")

    drop, keep = (estimate(facts, [(Output(format="jpeg", hdr=hdr), pipeline)], limits) for hdr in ("drop", "keep"))

    assert keep.seconds > 2 * drop.seconds
    assert keep.memory > drop.memory


def test_a_profile_of_srgb_can_be_read() -> None:
    assert "sRGB" in str(ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile()))))
