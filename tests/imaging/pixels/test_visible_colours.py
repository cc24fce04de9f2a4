"""Hidden colours never become visible, and every filter accepts every shape and mode."""

from __future__ import annotations

import numpy as np
import pytest
from pictures import levels, result
from PIL import Image, ImageDraw, ImageFilter

from imgsrv.imaging.pixels.visible_colours import visible_colours

KEEPS_ALPHA = {
    "denoise": None,
    "convolve:kernel=1;2;1;2;4;2;1;2;1": None,
    "convolve:kernel=0;-1;0;-1;8;-1;0;-1;0": None,
    f"convolve:kernel={';'.join(['1'] * 225)}": None,
    "unsharp:radius=3,threshold=0": None,
    "edges": (0, 0, 0),
    "emboss": (128, 128, 128),
}
"""What each makes of one colour; None: that colour."""

MIXES_ALPHA = {
    "blur:sigma=3": None,
    "blur:radius=4": None,
    "motionblur:length=9,angle=30": None,
    "median:radius=1": None,
    "median:radius=4": None,
    "pixelate:size=7": None,
    "morphology:kind=erode,radius=3": None,
    "morphology:kind=dilate,radius=3": None,
    "morphology:kind=open,radius=2,shape=square": None,
    "morphology:kind=close,radius=2": None,
}

OTHERS = ["vignette", "noise", "noise:kind=colour", "equalize", "clahe", "threshold", "threshold:level=9"]

STEPS = [*KEEPS_ALPHA, *MIXES_ALPHA, *OTHERS]

COLOUR = (180, 120, 60)


def disk(hidden: tuple[int, int, int], *, is_soft: bool) -> Image.Image:
    """A disk of one colour with a hard or a soft edge, on a hidden colour."""
    alpha = Image.new("L", (60, 50))
    ImageDraw.Draw(alpha).ellipse((12, 8, 45, 40), fill=255)
    image = Image.new("RGB", alpha.size, COLOUR)
    if is_soft:
        alpha = alpha.filter(ImageFilter.GaussianBlur(2))
    image.paste(hidden, mask=alpha.point([255, *[0] * 255]))
    image.putalpha(alpha)
    return image


@pytest.mark.parametrize("hidden", [(0, 0, 0), (255, 255, 255), (0, 255, 0)], ids=str)
@pytest.mark.parametrize("is_soft", [False, True], ids=["hard", "soft"])
@pytest.mark.parametrize("step", [*KEEPS_ALPHA, *MIXES_ALPHA])
def test_a_colour_beside_a_hidden_one_gets_no_fringe(step: str, is_soft: bool, hidden: tuple[int, int, int]) -> None:  # noqa: FBT001
    before = disk(hidden, is_soft=is_soft)
    after = levels(result(before, step))
    expected = {**KEEPS_ALPHA, **MIXES_ALPHA}[step] or COLOUR
    # As it looks on a background: 8 bits of premultiplied colour are that exact, and no more.
    off = np.abs(after[..., :3] - expected) * after[..., 3:] / 255
    assert off.max() <= 3
    if step in KEEPS_ALPHA:
        assert np.array_equal(after[..., 3], levels(before)[..., 3])


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("size", [(1, 1), (1, 2000), (2000, 1), (3, 2), (17, 5)], ids=str)
@pytest.mark.parametrize("step", STEPS)
def test_a_filter_accepts_any_shape_and_mode(step: str, size: tuple[int, int], mode: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 4), np.uint8)
    image = Image.fromarray(noise).convert(mode)
    after = result(image, step)
    assert after.size == size
    assert (after.mode == "RGBA") == (mode == "RGBA")


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (9, 7)], ids=str)
@pytest.mark.parametrize(
    "step",
    [
        *("blur:radius=1", "blur:radius=500", "motionblur:length=200,angle=77", "median:radius=50", "denoise"),
        *("pixelate:size=1000", "morphology:kind=open,radius=50", "unsharp", "unsharp:radius=100,threshold=0"),
        *("vignette:strength=0", "noise:amount=0", f"convolve:kernel={';'.join(['1'] * 225)}", "equalize"),
    ],
)
def test_a_picture_of_one_colour_keeps_it_under_every_filter(step: str, size: tuple[int, int], mode: str) -> None:
    image = Image.new("RGBA", size, (200, 120, 40, 255)).convert(mode)
    # YCbCr in 8 bits is exact to one level.
    assert np.abs(levels(result(image, step), mode) - levels(image)).max() <= (step == "denoise")


def test_hidden_colours_become_the_mean_of_visible_ones_around_them() -> None:
    image = Image.new("RGBA", (9, 1), (0, 255, 0, 0))
    image.putpixel((3, 0), (100, 100, 100, 255))
    image.putpixel((4, 0), (200, 0, 0, 85))
    seen = levels(visible_colours(image, 2))[0]
    # Opaque stays; a third shows its own and two thirds the mean of 100 weighing 3 and 200 weighing 1.
    expected = {3: (100, 100, 100), 4: (150, 50, 50), 2: (125, 75, 75), 1: (100, 100, 100), 6: (200, 0, 0)}
    # Where nothing is seen around, it is the mean of the whole frame.
    expected |= {0: (125, 75, 75), 8: (125, 75, 75)}
    for at, colour in expected.items():
        assert np.abs(seen[at] - colour).max() <= 2, at


def test_bands_of_a_tall_picture_meet_without_a_seam() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (900, 400, 4), np.uint8)
    whole = levels(visible_colours(Image.fromarray(noise), 3))
    for top in (0, 200, 310, 600):
        part = levels(visible_colours(Image.fromarray(noise[top : top + 200]), 3))
        # One level is what the mean of the whole frame may do.
        assert np.abs(part[3:-3] - whole[top + 3 : top + 197]).max() <= 1
