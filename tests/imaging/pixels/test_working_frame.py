"""A frame of 16 bits has the methods of Pillow's images that operations use, and they do the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from imgsrv.imaging.pixels.sixteen_bit import DeepFrame
from imgsrv.imaging.pixels.working_frame import WorkingFrame, blank, finished, frame_of, shallow, working

MODES = {"L": 1, "RGB": 3, "RGBA": 4}


def pair(mode: str, size: tuple[int, int] = (13, 9), seed: int = 1) -> tuple[WorkingFrame, Image.Image]:
    """A frame of 16 bits and Pillow's, of the same levels."""
    levels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], MODES[mode]), np.uint8)
    return WorkingFrame(levels.astype(np.uint16) * 257), Image.fromarray(levels[..., 0] if mode == "L" else levels)


def apart(deep: Any, image: Image.Image) -> int:
    """The largest difference in levels."""
    assert (deep.mode, deep.size) == (image.mode, image.size)
    return int(np.abs(np.asarray(shallow(deep), np.int64) - np.asarray(image, np.int64)).max())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("box", [(0, 0, 13, 9), (2, 3, 7, 5), (-2, -1, 5, 4), (9, 6, 20, 15), (20, 20, 25, 25)])
def test_a_part_is_black_outside(mode: str, box: tuple[int, int, int, int]) -> None:
    deep, image = pair(mode)
    assert apart(deep.crop(box), image.crop(box)) == 0


@pytest.mark.parametrize("to", MODES)
@pytest.mark.parametrize("mode", MODES)
def test_it_is_converted(mode: str, to: str) -> None:
    deep, image = pair(mode)
    assert apart(deep.convert(to), image.convert(to)) <= 1


def test_a_matrix_has_its_offset_in_levels() -> None:
    deep, image = pair("RGB")
    rows = (0.5, 0.2, 0.1, 20, 0, 1, 0, -30, 0.3, 0.3, 0.3, 1)
    assert apart(deep.convert("RGB", rows), image.convert("RGB", rows)) <= 1


@pytest.mark.parametrize("mode", ["CMYK", "RGBa", "1", "P"])
def test_other_modes_are_refused(mode: str) -> None:
    with pytest.raises(ValueError, match=mode):
        pair("RGB")[0].convert(mode)


@pytest.mark.parametrize("at", [(0, 0), (3, 2), (-4, -3), (10, 7), (30, 30)])
@pytest.mark.parametrize("mode", MODES)
def test_a_frame_is_pasted(mode: str, at: tuple[int, int]) -> None:
    deep, image = pair(mode)
    above = pair(mode, (6, 4), 2)
    mask = pair("L", (6, 4), 3)[1]
    for given in ({}, {"mask": mask}):
        deep.paste(above[0], at, **given)
        image.paste(above[1], at, **given)
        assert apart(deep, image) <= 1


@pytest.mark.parametrize("mode", MODES)
def test_a_colour_is_pasted_through_a_mask(mode: str) -> None:
    deep, image = pair(mode)
    colour: Any = (200, 30, 90, 120)[: MODES[mode]] if mode != "L" else 77
    mask = pair("L", (6, 4), 3)[1]
    deep.paste(colour, (2, 1), mask)
    image.paste(colour, (2, 1), mask)
    assert apart(deep, image) <= 1


def test_a_part_that_is_written_to_leaves_the_frame_as_it_is() -> None:
    deep, image = pair("RGBA")
    part = deep.crop((1, 1, 8, 8))
    part.paste((1, 2, 3, 4), (0, 0), Image.new("L", (2, 2), 255))
    other = deep.crop((1, 1, 8, 8))
    other.putalpha(9)
    assert apart(deep, image) == 0
    assert np.asarray(other)[..., 3].max() == np.asarray(other)[..., 3].min() == 9 * 257


def test_an_array_of_it_outlives_it_and_is_not_written_to() -> None:
    deep, image = pair("RGB")
    pixels = np.asarray(deep)
    deep.putalpha(5)
    assert np.array_equal(pixels, np.asarray(image, np.uint16) * 257)
    assert not pixels.flags.writeable
    assert np.asarray(pair("L")[0]).shape == (9, 13)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("factor", [2, 3, 5, 50])
def test_squares_have_their_mean(mode: str, factor: int) -> None:
    deep, image = pair(mode)
    weighted = image.convert("RGBa") if mode == "RGBA" else image
    got = deep.reduce(factor)
    assert got.size == weighted.reduce(factor).size
    if mode != "RGBA":
        assert apart(got, image.reduce(factor)) <= 1


@pytest.mark.parametrize("kernel", [Image.Resampling.NEAREST, Image.Resampling.HAMMING])
def test_it_is_resized_by_filters_of_pillow(kernel: Image.Resampling) -> None:
    deep, image = pair("RGB", (40, 30))
    box = (1.5, 2, 33, 29)
    assert apart(deep.resize((17, 11), kernel, box), image.resize((17, 11), kernel, box)) <= 1


@pytest.mark.parametrize("method", Image.Transpose)
@pytest.mark.parametrize("mode", MODES)
def test_it_is_turned(mode: str, method: Image.Transpose) -> None:
    deep, image = pair(mode)
    assert apart(deep.transpose(method), image.transpose(method)) == 0


def test_it_comes_from_and_goes_to_what_files_hold() -> None:
    grey, colours = pair("L")[0], pair("RGBA")[0]
    for frame in (grey, colours):
        written = finished(frame)
        assert isinstance(written, DeepFrame) == (frame is colours)
        assert np.array_equal(np.asarray(working(written)), np.asarray(frame))
    eight = pair("RGB")[1]
    assert working(eight) is finished(eight) is shallow(eight) is eight


def test_a_new_frame_has_as_many_bits_as_another() -> None:
    deep, image = pair("L")
    for colour in ((1, 2, 3), (7, 7, 7)):
        made = blank(deep, "RGB", (3, 2), colour)
        assert apart(made, blank(image, "RGB", (3, 2), colour)) == 0
        assert np.asarray(made).dtype == np.uint16
    assert isinstance(frame_of(np.zeros((2, 2), np.uint16)), WorkingFrame)
