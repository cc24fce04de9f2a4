"""PQ and HLG, tone-mapped: levels from the formulas of BT.2100 and BT.2390 in float64, written down once more."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from PIL import Image

from imgsrv.imaging.codecs.encode import encode
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.colour import tone_map
from imgsrv.imaging.colour.colours import Colours
from imgsrv.imaging.colour.convert import converted
from imgsrv.imaging.colour.tone_map import tone_mapped
from imgsrv.imaging.model.cicp import HLG, PQ, Cicp
from imgsrv.imaging.model.picture import Picture
from imgsrv.imaging.pixels.sixteen_bit import DeepFrame, shallow


def pq_of(light: float) -> float:
    """The signal of PQ for light in cd/m² (SMPTE ST 2084)."""
    y = (light / 10_000) ** 0.1593017578125
    return float(((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375)


def light_of(signal: float) -> float:
    root = signal ** (1 / 78.84375)
    return float(10_000 * (max(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125))


def mapped(light: float) -> float:
    """Light of a source with a peak of 1,000 cd/m² on a display of 203 cd/m², by BT.2390."""
    e1, top = min(1.0, pq_of(light) / pq_of(1000)), pq_of(203) / pq_of(1000)
    knee = 1.5 * top - 0.5
    if e1 >= knee:
        t = (e1 - knee) / (1 - knee)
        e1 = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * top
    return light_of(e1 * pq_of(1000))


def srgb_of(light: float) -> float:
    share = min(1.0, light / 203)
    return 255 * (12.92 * share if share <= 0.0031308 else 1.055 * share ** (1 / 2.4) - 0.055)


def hlg_light(signal: float) -> float:
    """Light of grey in cd/m² on a display of 1,000 cd/m² (BT.2100, table 5)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = signal**2 / 3 if signal <= 0.5 else (math.exp((signal - c) / a) + b) / 12
    return float(1000 * scene**1.2)


def grey(level: float) -> np.ndarray[tuple[int, ...], np.dtype[np.uint16]]:
    return np.full((1, 1, 3), round(level * 65_535), np.uint16)


@pytest.mark.parametrize("light", [0.5, 5, 50, 100, 203, 400, 1000, 4000])
def test_grey_of_pq_is_that_of_the_formulas(light: float) -> None:
    got = tone_mapped(grey(pq_of(light)), Cicp(9, PQ), is_p3=False)[0, 0] / 257
    assert got == pytest.approx([srgb_of(mapped(light))] * 3, abs=0.3)


@pytest.mark.parametrize("signal", [0.1, 0.3, 0.5, 0.75, 0.9, 1.0])
def test_grey_of_hlg_is_that_of_the_formulas(signal: float) -> None:
    got = tone_mapped(grey(signal), Cicp(9, HLG), is_p3=False)[0, 0] / 257
    assert got == pytest.approx([srgb_of(mapped(hlg_light(signal)))] * 3, abs=0.5)


def test_dark_light_keeps_its_brightness_and_the_peak_is_white() -> None:
    assert mapped(20) == pytest.approx(20, rel=0.001)
    peak = tone_mapped(grey(pq_of(1000)), Cicp(9, PQ), is_p3=False)
    assert peak.min() > 65_000


def test_the_hue_stays() -> None:
    """Bright orange within sRGB: its channels keep their ratio in linear light."""
    light = np.array([800.0, 200.0, 50.0])
    pixel = np.array([[[round(pq_of(one) * 65_535) for one in light]]], np.uint16)
    got = tone_mapped(pixel, Cicp(1, PQ), is_p3=False)[0, 0] / 65_535
    linear = ((got + 0.055) / 1.055) ** 2.4
    assert linear / linear[0] == pytest.approx(light / light[0], rel=0.01)


def test_alpha_and_grey_stay_what_they_are() -> None:
    pixels = np.random.default_rng(0).integers(0, 65_536, (300, 500, 4), np.uint16)
    got = tone_mapped(pixels, Cicp(9, PQ), is_p3=True)
    assert np.array_equal(got[..., 3], pixels[..., 3])
    one = tone_mapped(np.ascontiguousarray(pixels[..., :1]), Cicp(9, HLG), is_p3=False)
    assert one.shape == (300, 500, 1)


def test_eight_bits_of_pq_become_eight_bits_of_srgb() -> None:
    image = Image.new("RGB", (2, 2), (148, 148, 148))
    got = converted(image, Colours(hdr=Cicp(9, PQ)), Colours())
    level = got.getpixel((0, 0))
    assert got.mode == "RGB"
    assert level == (round(srgb_of(mapped(light_of(148 / 255)))),) * 3


def test_code_points_are_kept_in_a_png_and_mapped_for_a_jpeg() -> None:
    frame = DeepFrame(np.repeat(grey(pq_of(100)), 4, axis=1))
    picture = Picture((frame,), "avif", cicp=Cicp(9, PQ))
    kept, other = io.BytesIO(), io.BytesIO()
    encode(picture, "png", Output(), kept)
    encode(picture, "jpeg", Output(), other)
    assert b"cICP\x09\x10\x00\x01" in kept.getvalue()
    assert abs(int(np.asarray(Image.open(other))[0, 0, 0]) - srgb_of(mapped(100))) <= 2
    assert shallow(frame).getpixel((0, 0)) == (round(255 * pq_of(100)),) * 3


def test_code_points_that_a_file_makes_up_stay_in_no_cache() -> None:
    level = np.zeros((1, 1, 3), np.uint16)
    tone_mapped(level, Cicp(2, PQ, 0, is_full_range=True), is_p3=False)
    kept = tone_map._matrix.cache_info().currsize
    for number in range(100, 200):
        tone_mapped(level, Cicp(number, PQ, number, is_full_range=True), is_p3=False)

    assert tone_map._matrix.cache_info().currsize == kept
