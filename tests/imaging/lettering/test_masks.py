"""Outlines: as FreeType strokes them, and each line's around its own letters."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from imgsrv.imaging.lettering import strokes
from imgsrv.imaging.lettering.fonts import BUILT_IN, typeface
from imgsrv.imaging.lettering.lines import Writer
from imgsrv.imaging.lettering.masks import Block, Box


def block(text: str, size: int) -> Block:
    writer = Writer([typeface(BUILT_IN)], size)
    return Block(list(writer.lines(text, 1e6)), writer.fonts, size, "left")


def around(ink: Box, radius: int) -> Box:
    left, top, right, bottom = ink
    return left - radius, top - radius, right + radius, bottom + radius


def within(ink: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """Where ink is at most this far away: the union of the rows above and below, each widened as the disk is there."""
    found = np.zeros_like(ink)
    height = ink.shape[0]
    for step in range(-radius, radius + 1):
        reach = int((radius**2 - step**2) ** 0.5)
        count = np.cumsum(np.pad(ink, ((0, 0), (reach + 1, reach))), axis=1)
        wide = count[:, 2 * reach + 1 :] > count[:, : -2 * reach - 1]
        found[max(0, step) : height + min(0, step)] |= wide[max(0, -step) : height - max(0, step)]
    return found


@pytest.mark.parametrize(("size", "radius"), [(20, 2), (60, 6), (40, 20)])
def test_an_outline_is_all_that_is_near_the_letters(size: int, radius: int) -> None:
    # The letters of FreeType, eight times as large.
    text, fine = "Ag&8.", 8
    box = around(block(text, size).ink, radius + 2)
    got = block(text, size).outlined(box, radius).astype(float)
    large = Image.new("L", (got.shape[1] * fine, got.shape[0] * fine))
    face = ImageFont.truetype(typeface(BUILT_IN).file, size * fine)
    ImageDraw.Draw(large).text((-box[0] * fine, -box[1] * fine), text, 255, face, anchor="ls")
    near = Image.fromarray(within(np.asarray(large) > 127, radius * fine).astype(np.uint8) * 255)
    difference = np.abs(got - np.asarray(near.reduce(fine), float))
    # A quarter of a pixel along edges, and half of one at the tips of letters.
    assert np.percentile(difference, 99) <= 255 / 4
    assert difference.max() <= 128


def test_the_outline_of_each_line_lies_around_its_letters() -> None:
    # Lines far apart: what is outlined of each is what is outlined of it alone.
    radius, size = 5, 40
    both = block("Hg\n\n\nHg", size)
    box = around(both.ink, radius)
    outlined = both.outlined(box, radius)
    one = block("Hg", size)
    alone = one.outlined(around(one.ink, radius), radius)
    assert np.array_equal(outlined[: alone.shape[0]], alone)
    assert np.array_equal(outlined[-alone.shape[0] :], alone)
    assert not outlined[alone.shape[0] : -alone.shape[0]].any()


@pytest.mark.parametrize("places", [1, 2, 3])
def test_an_outline_of_a_part_is_the_part_of_the_outline(places: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # With and without outlines that are kept for the next of the same letter.
    monkeypatch.setattr(strokes, "KEPT_PIXELS", strokes.KEPT_PIXELS if places < 3 else 1)
    text = block("Hog\nWqg", 50)
    left, top, right, bottom = around(text.ink, 8)
    whole = text.outlined((left, top, right, bottom), 8)
    cut = 10 * places
    assert np.array_equal(text.outlined((left + cut, top + cut, right - 5, bottom - cut), 8), whole[cut:-cut, cut:-5])


def test_a_mask_of_a_part_is_the_part_of_the_mask() -> None:
    text = block("Hello\nWorld", 60)
    left, top, right, bottom = text.ink
    whole = text.mask(text.ink)
    assert np.array_equal(text.mask((left + 20, top + 10, right - 5, bottom - 30)), whole[10:-30, 20:-5])


def test_the_ink_touches_each_side_of_its_box() -> None:
    mask = block("Hg", 70).mask(block("Hg", 70).ink)
    assert all(side.any() for side in (mask[:2], mask[-2:], mask[:, :2], mask[:, -2:]))
