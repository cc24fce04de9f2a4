"""Equalize, CLAHE and threshold against OpenCV, Pillow and numpy."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import Array, animation, drawn, levels, opened, picture, psnr, result, run, sample
from PIL import Image, ImageOps

NOISE = Image.fromarray((np.random.default_rng(8).normal(90, 25, (61, 83, 3)).clip(0, 255)).astype(np.uint8))
PHOTO = sample("coffee.jpg").resize((320, 240))
PICTURES = pytest.mark.parametrize("image", [NOISE, PHOTO], ids=["noise", "photo"])


@pytest.mark.proves("equalize")
@PICTURES
def test_equalize_equals_that_of_opencv_and_is_similar_to_that_of_pillow(image: Image.Image) -> None:
    grey = image.convert("L")
    after = levels(result(grey, "equalize"))
    assert np.abs(after - cv2.equalizeHist(np.asarray(grey))).max() <= 1
    assert psnr(after, levels(ImageOps.equalize(grey))) > 35


@PICTURES
def test_equalize_adds_to_every_channel_what_it_adds_to_luma(image: Image.Image) -> None:
    luma = np.asarray(image.convert("L"))
    up_to = np.array([(luma <= level).sum() for level in range(256)], np.float64)
    darkest = (luma == luma.min()).sum()
    table = 255 * (up_to - darkest).clip(0) / (luma.size - darkest)
    expected = (levels(image) + (table[luma] - luma)[..., None]).clip(0, 255)
    assert np.abs(levels(result(image, "equalize")) - expected).max() <= 1


def test_equalize_counts_only_visible_pixels() -> None:
    frame = PHOTO.convert("RGBA")
    hidden = frame.copy()
    hidden.paste((255, 255, 255, 0), (0, 0, 160, 240))
    right = result(PHOTO.crop((160, 0, 320, 240)), "equalize")
    assert np.array_equal(levels(result(hidden, "equalize"))[:, 160:, :3], levels(right))


@pytest.mark.parametrize("step", ["equalize", "equalize/equalize"])
def test_a_picture_of_one_luma_is_kept_by_equalize(step: str) -> None:
    assert result(Image.new("L", (5, 5), 77), step).getpixel((0, 0)) == 77
    clear = Image.new("RGBA", (5, 5), (9, 8, 7, 0))
    assert result(clear, step).tobytes() == clear.tobytes()


def frames_after(frames: list[Image.Image], step: str) -> list[Array]:
    after = opened(run(animation(frames, "PNG", duration=50), step))
    found = []
    for index in range(len(frames)):
        after.seek(index)
        found.append(levels(after, "RGB"))
    return found


@pytest.mark.parametrize("step", ["equalize", "threshold"])
def test_all_frames_of_an_animation_are_changed_in_the_same_way(step: str) -> None:
    dark, bright = PHOTO.point([level // 3 for level in range(256)] * 3), PHOTO
    both = Image.new("RGB", (640, 240))
    both.paste(dark, (0, 0))
    both.paste(bright, (320, 0))
    expected = levels(result(both, step), "RGB")
    one, other = frames_after([dark, bright], step)
    assert np.array_equal(one, expected[:, :320])
    assert np.array_equal(other, expected[:, 320:])


def clahe(pixels: NDArray[np.uint8], clip: float, tiles: int) -> Array:
    """Zuiderveld's method in float64, for sides that are multiples of the tiles."""
    height, width = (side // tiles for side in pixels.shape)
    tables = np.empty((tiles, tiles, 256))
    for row in range(tiles):
        for column in range(tiles):
            tile = pixels[row * height : (row + 1) * height, column * width : (column + 1) * width]
            counts = np.bincount(tile.ravel(), minlength=256).astype(np.float64)
            limit = int(clip * tile.size / 256)
            counts = np.minimum(counts, limit) + np.maximum(counts - limit, 0).sum() / 256
            tables[row, column] = 255 * np.cumsum(counts) / tile.size
    y, x = np.indices(pixels.shape)
    down, across = (((at + 0.5) / side - 0.5).clip(0, tiles - 1) for at, side in ((y, height), (x, width)))
    top, left = (at.astype(int).clip(0, tiles - 2) for at in (down, across))
    down, across = down - top, across - left
    upper = tables[top, left, pixels] * (1 - across) + tables[top, left + 1, pixels] * across
    lower = tables[top + 1, left, pixels] * (1 - across) + tables[top + 1, left + 1, pixels] * across
    return np.asarray(upper * (1 - down) + lower * down)


@pytest.mark.proves("clahe")
@pytest.mark.parametrize("clip", [1, 2, 5, 100])
def test_clahe_follows_the_method_of_zuiderveld(clip: float) -> None:
    grey = PHOTO.convert("L")
    expected = clahe(np.asarray(grey), clip, 2)
    # What is left over when what was clipped is spread over all levels goes to some of them: half a level here.
    assert np.abs(levels(result(grey, f"clahe:clip={clip},tiles=2")) - expected).max() <= 2


def test_clahe_adds_to_every_channel_what_it_adds_to_luma() -> None:
    luma = PHOTO.convert("L")
    added = levels(result(luma, "clahe:clip=3")) - levels(luma)
    expected = (levels(PHOTO) + added[..., None]).clip(0, 255)
    assert np.array_equal(levels(result(PHOTO, "clahe:clip=3")), expected)


def test_clahe_of_grey_colours_is_that_of_grey() -> None:
    grey = PHOTO.convert("L")
    assert np.array_equal(levels(result(grey.convert("RGB"), "clahe"), "L"), levels(result(grey, "clahe")))


def test_clahe_ignores_hidden_colours() -> None:
    green, red = PHOTO.convert("RGBA"), PHOTO.convert("RGBA")
    green.paste((0, 255, 0, 0), (100, 100, 200, 200))
    red.paste((255, 0, 0, 0), (100, 100, 200, 200))
    one, other = (levels(result(image, "clahe")) for image in (green, red))
    seen = one[..., 3] > 0
    assert np.array_equal(one[seen], other[seen])


@pytest.mark.parametrize("size", [(1, 1), (1, 2000), (2000, 1), (5, 3), (9, 9)])
@pytest.mark.parametrize("tiles", [1, 8, 64])
def test_clahe_has_no_more_tiles_than_pixels(size: tuple[int, int], tiles: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0]), np.uint8)
    assert result(Image.fromarray(noise), f"clahe:tiles={tiles}").size == size


@pytest.mark.proves("threshold")
@PICTURES
def test_otsus_threshold_is_that_of_opencv(image: Image.Image) -> None:
    grey = np.asarray(image.convert("L"))
    _, expected = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    got = result(image, "threshold")
    assert got.mode in ("1", "L")
    assert np.array_equal(levels(got, "L"), expected)


@PICTURES
def test_otsus_threshold_has_the_greatest_variance_between_its_classes(image: Image.Image) -> None:
    luma = levels(image, "L")

    def between(level: int) -> float:
        bright = luma >= level
        if bright.all() or not bright.any():
            return 0
        return float(bright.mean() * (~bright).mean() * (luma[bright].mean() - luma[~bright].mean()) ** 2)

    white = levels(result(image, "threshold"), "L") > 0
    level = int(luma[white].min())
    assert between(level) == pytest.approx(max(map(between, range(256))))


@pytest.mark.parametrize("level", [0, 1, 100, 255, 256])
def test_threshold_makes_the_given_level_and_all_above_it_white(level: int) -> None:
    luma = levels(PHOTO, "L")
    assert np.array_equal(levels(result(PHOTO, f"threshold:level={level}"), "L"), 255 * (luma >= level))


def test_threshold_keeps_alpha_and_counts_only_visible_pixels() -> None:
    image = picture("KW/..", "RGBA")
    image.putpixel((0, 1), (120, 120, 120, 0))
    assert drawn(result(image, "threshold"))[:2] == "KW"
    assert result(image, "threshold").getchannel("A").tobytes() == image.getchannel("A").tobytes()


def test_a_picture_of_one_luma_is_white_unless_it_is_black() -> None:
    assert drawn(result(Image.new("RGB", (2, 1), (9, 9, 9)), "threshold")) == "WW"
    assert drawn(result(Image.new("RGB", (2, 1)), "threshold")) == "KK"
