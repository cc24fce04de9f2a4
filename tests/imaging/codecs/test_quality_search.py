"""Parameters for smaller results: max_bytes, target, colours and subsampling."""

from __future__ import annotations

import io

import numpy as np
import pytest
from pictures import Array, animation, encoded, levels, opened, picture, run, sample
from PIL import Image

from imgsrv.errors import InvalidParameter, TooManyBytes, UnusableParameters
from imgsrv.imaging.analysis.ssim import luma, ssim
from imgsrv.imaging.codecs.output import OWNER, Output
from imgsrv.imaging.codecs.quality_search import largest_within, smallest_like
from imgsrv.imaging.model.validation import validate

PHOTO = encoded(sample("coffee.jpg"))


def output(**given: str) -> Output:
    return validate(Output, given, owner=OWNER).check()


def files(quality: int) -> bytes:
    """A file of ten bytes for each step of quality."""
    return bytes([quality]) * 10 * quality


@pytest.mark.parametrize("most", [10, 15, 300, 505, 790, 799, 800, 5000])
def test_the_highest_quality_within_the_bytes_is_found(most: int) -> None:
    assert len(largest_within(files, 80, most, "jpeg")) == min(most // 10, 80) * 10


def test_a_result_that_never_fits_gives_an_error_with_the_smallest_size() -> None:
    with pytest.raises(TooManyBytes, match=r"has 10 bytes and max_bytes=9 allows less; .* resize it first"):
        largest_within(files, 80, 9, "jpeg")


@pytest.mark.parametrize("least", [1, 2, 50, 77, 99, 100])
def test_the_lowest_quality_that_is_similar_enough_is_found(least: int) -> None:
    assert smallest_like(files, lambda file: file[0] >= least) == (least, files(least))


def test_without_a_quality_that_is_similar_enough_the_best_is_taken() -> None:
    assert smallest_like(files, lambda _file: False) == (100, files(100))


@pytest.mark.parametrize("form", ["jpeg", "webp", "avif", "jp2"])
def test_a_lossy_result_fits_and_wastes_little(form: str) -> None:
    limit = len(run(PHOTO, format=form, quality=60))
    made = run(PHOTO, format=form, quality=95, max_bytes=limit)
    assert 0.8 * limit < len(made) <= limit
    assert opened(made).size == sample("coffee.jpg").size


def test_max_bytes_does_not_change_a_result_that_fits() -> None:
    assert run(PHOTO, format="jpeg", max_bytes=10_000_000) == run(PHOTO, format="jpeg")


def test_a_lossless_result_fits_or_is_refused() -> None:
    size = len(run(PHOTO, format="png"))
    assert len(run(PHOTO, format="png", max_bytes=size)) == size
    with pytest.raises(TooManyBytes, match=f"{size} bytes"):
        run(PHOTO, format="png", max_bytes=size - 1)


@pytest.mark.parametrize("form", ["jpeg", "webp", "avif"])
@pytest.mark.parametrize("target", [0.9, 0.97])
def test_the_target_is_reached_and_one_step_less_would_miss_it(form: str, target: float) -> None:
    # Small, because it is encoded at every quality.
    plain = Image.fromarray(np.asarray(sample("coffee.jpg").resize((150, 100))))
    shown = luma(plain)
    made = run(encoded(plain), format=form, target=target)
    assert target <= ssim(shown, luma(opened(made))) < target + 0.02
    below = [quality for quality in range(1, 101) if run(encoded(plain), format=form, quality=quality) == made]
    assert below
    assert ssim(shown, luma(opened(run(encoded(plain), format=form, quality=below[0] - 1)))) < target


def test_max_bytes_takes_precedence_over_the_target() -> None:
    limit = len(run(PHOTO, format="jpeg", quality=30))
    assert len(run(PHOTO, format="jpeg", target=0.99, max_bytes=limit)) <= limit


def _ssim_by_hand(one: Array, other: Array) -> float:
    """SSIM by its definition, window by window."""
    steps = np.arange(-5, 6)
    weights = np.exp(-(steps[:, None] ** 2 + steps[None, :] ** 2) / (2 * 1.5**2))
    weights /= weights.sum()
    values = []
    for top in range(one.shape[0] - 10):
        for left in range(one.shape[1] - 10):
            x, y = one[top : top + 11, left : left + 11], other[top : top + 11, left : left + 11]
            mean_x, mean_y = (weights * x).sum(), (weights * y).sum()
            var_x, var_y = (weights * (x - mean_x) ** 2).sum(), (weights * (y - mean_y) ** 2).sum()
            covariance = (weights * (x - mean_x) * (y - mean_y)).sum()
            values.append(
                (2 * mean_x * mean_y + 6.5025)
                * (2 * covariance + 58.5225)
                / ((mean_x**2 + mean_y**2 + 6.5025) * (var_x + var_y + 58.5225))
            )
    return float(np.mean(values))


def test_similarity_follows_its_definition() -> None:
    one = sample("coffee.jpg").crop((200, 100, 240, 130)).convert("L")
    other = opened(encoded(one, "JPEG", quality=20))
    assert ssim(luma(one), luma(other)) == pytest.approx(_ssim_by_hand(levels(one), levels(other)), abs=1e-4)
    assert ssim(luma(one), luma(one)) == pytest.approx(1)


def test_the_smallest_pictures_can_be_compared() -> None:
    assert ssim(luma(Image.new("L", (1, 1))), luma(Image.new("L", (1, 1)))) == pytest.approx(1)


@pytest.mark.parametrize("colours", [2, 16, 256])
@pytest.mark.parametrize("form", ["png", "gif"])
def test_a_palette_has_no_more_colours_than_asked(form: str, colours: int) -> None:
    made = opened(run(PHOTO, format=form, colours=colours))
    assert made.mode == "P"
    assert len(made.convert("RGB").getcolors(1 << 20) or []) <= colours


def test_a_palette_makes_a_png_small_and_similar() -> None:
    made = run(PHOTO, format="png", colours=256)
    assert len(made) < 0.5 * len(run(PHOTO, format="png"))
    shown = luma(opened(run(PHOTO, format="png")))
    assert ssim(shown, luma(opened(made))) > 0.9


def test_a_palette_keeps_transparency() -> None:
    made = opened(run(encoded(picture("R./.G", "RGBA")), format="png", colours=8)).convert("RGBA")
    assert np.asarray(made)[..., 3].tolist() == [[255, 0], [0, 255]]


def test_an_animation_can_have_a_palette() -> None:
    made = opened(run(animation([picture("RG"), picture("BY")], "PNG"), format="png", colours=4))
    assert getattr(made, "n_frames", 1) == 2


@pytest.mark.parametrize(("subsampling", "sampling"), [("4:2:0", (2, 2)), ("4:4:4", (1, 1))])
def test_subsampling_is_that_of_the_file(subsampling: str, sampling: tuple[int, int]) -> None:
    image = Image.open(io.BytesIO(run(PHOTO, format="jpeg", subsampling=subsampling)))
    luma_sampling = getattr(image, "layer")[0][1:3]  # noqa: B009  of a JPEG alone
    assert tuple(luma_sampling) == sampling


def test_full_colour_keeps_thin_red_lines_sharp() -> None:
    lines = encoded(picture("RWRWRWRW/RWRWRWRW").resize((64, 16), Image.Resampling.NEAREST).crop((4, 0, 60, 16)))
    errors = [
        np.abs(levels(opened(run(lines, format="jpeg", quality=95, subsampling=name))) - levels(opened(lines))).mean()
        for name in ("4:2:0", "4:4:4")
    ]
    assert errors[1] < errors[0]


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ({"format": "png", "subsampling": "4:4:4"}, "jpeg.* avif.* take it"),
        ({"format": "jpeg", "colours": "8"}, "png and gif take it"),
        ({"format": "png", "target": "ssim:0.9"}, "no use for target"),
        ({"format": "jpeg", "target": "ssim:0.9", "quality": "8"}, "leave quality and lossless out"),
        ({"frame": "1", "page": "2"}, "leave one of them out"),
    ],
)
def test_a_parameter_without_effect_is_refused(given: dict[str, str], hint: str) -> None:
    with pytest.raises(UnusableParameters, match=hint):
        output(**given)


@pytest.mark.parametrize("target", ["psnr:40", "ssim:1", "ssim:0.2", "98", "nan", ""])
def test_an_invalid_target_is_refused(target: str) -> None:
    with pytest.raises(InvalidParameter, match=r"ssim:0\.5"):
        output(target=target)
