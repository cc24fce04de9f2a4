"""One frame of an animation, one page of a TIFF; and Windows icons."""

from __future__ import annotations

from typing import Any

import pytest
from pictures import animation, drawn, encoded, opened, picture, result, run

from imgsrv.errors import NoSuchFrame, TooManyFrames, TooManyPixels
from imgsrv.imaging.model.limits import Limits

ROWS = ["RRR/RRR", "GGG/GGG", "BBB/BBB"]
FRAMES = [picture(rows) for rows in ROWS]


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "AVIF", "TIFF"])
@pytest.mark.parametrize("index", range(3))
def test_one_frame_can_be_chosen(form: str, index: int) -> None:
    options = {"lossless": True} if form == "WEBP" else {"quality": 100} if form == "AVIF" else {}
    made = result(animation(FRAMES, form, **options), frame=index)
    assert getattr(made, "n_frames", 1) == 1
    wanted = FRAMES[index].getpixel((1, 1))
    assert made.convert("RGB").getpixel((1, 1)) == pytest.approx(wanted, abs=3 if form == "AVIF" else 0)


def test_a_chosen_frame_is_a_still_picture_in_an_animated_format_too() -> None:
    assert getattr(opened(run(animation(FRAMES, "GIF"), frame=1)), "n_frames", 1) == 1


def test_pages_count_from_one_and_have_their_own_sizes() -> None:
    pages = [picture("R"), picture("GG/GG"), picture("BBB")]
    data = animation(pages, "TIFF")
    assert [drawn(result(data, page=number)) for number in (1, 2, 3)] == ["R", "GG/GG", "BBB"]
    assert drawn(result(data)) == "R"
    assert drawn(result(data, "crop:width=1,height=2,left=1", page=2)) == "G/G"


def test_the_still_picture_beside_an_animation_is_no_frame() -> None:
    data = animation(FRAMES, "PNG", default_image=True)
    assert [drawn(result(data, frame=index)) for index in (0, 1)] == ROWS[1:]


@pytest.mark.parametrize(
    ("data", "given", "message"),
    [
        pytest.param(animation(FRAMES, "GIF"), {"frame": 3}, "frame=3 does not exist: .* 3 frames", id="gif"),
        pytest.param(animation(FRAMES, "WEBP"), {"frame": 9}, "frame=9 does not exist: .* 3 frames", id="webp"),
        pytest.param(animation(FRAMES, "TIFF"), {"page": 4}, "page=4 does not exist: .* 3 frames or pages", id="tiff"),
        pytest.param(animation(FRAMES, "GIF"), {"page": 9}, "page=9 does not exist: .* 3 frames", id="page of a gif"),
        pytest.param(animation(FRAMES, "TIFF"), {"frame": 3}, "frame=3 does not exist", id="frame of a tiff"),
        pytest.param(encoded(FRAMES[0]), {"frame": 1}, "one frame only", id="png"),
        pytest.param(encoded(FRAMES[0], "JPEG"), {"frame": 1}, "one frame only", id="jpeg"),
    ],
)
def test_a_frame_that_does_not_exist_is_refused_with_the_number_of_frames(
    data: bytes, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(NoSuchFrame, match=message):
        run(data, **given)


def test_the_first_frame_of_a_still_picture_is_itself() -> None:
    assert drawn(result(encoded(FRAMES[0]), frame=0)) == ROWS[0]


def test_a_page_is_checked_against_the_limits() -> None:
    data = animation([picture("R"), picture("GG/GG")], "TIFF")
    with pytest.raises(TooManyPixels):
        run(data, limits=Limits(max_pixels=3), page=2)


@pytest.mark.parametrize("form", ["GIF", "TIFF"])
def test_a_frame_beyond_the_limit_is_named_with_the_limit(form: str) -> None:
    data = animation(FRAMES, form)
    with pytest.raises(TooManyFrames, match=r"frame=2 is beyond the limit: .* more than 2 frames or pages"):
        run(data, limits=Limits(max_frames=2), frame=2)
    with pytest.raises(TooManyFrames, match=r"page=9 is beyond the limit: .* first 2 can be asked for"):
        run(data, limits=Limits(max_frames=2), page=9)
    assert drawn(result(data, limits=Limits(max_frames=2), frame=1)) == ROWS[1]


@pytest.mark.parametrize("form", ["GIF", "TIFF", "WEBP", "PNG", "AVIF"])
def test_a_picture_with_few_frames_is_told_so_where_the_limit_is_lower_than_the_frame(form: str) -> None:
    data = animation(FRAMES, form)
    with pytest.raises(NoSuchFrame, match="frame=300 does not exist: the picture has 3 frames"):
        run(data, frame=300)
    with pytest.raises(NoSuchFrame, match="page=301 does not exist: the picture has one frame only"):
        run(encoded(FRAMES[0], form), page=301)


@pytest.mark.parametrize("rows", ["R", "RG/BY", "R./.G"])
def test_an_icon_is_read_and_written(rows: str) -> None:
    icon = run(encoded(picture(rows, "RGBA")), format="ico")
    assert icon[:4] == b"\0\0\1\0"
    assert drawn(result(icon)) == rows


def test_the_largest_picture_of_an_icon_is_read() -> None:
    icon = encoded(picture("R").resize((64, 64)), "ICO", sizes=[(16, 16), (64, 64)])
    assert result(icon).size == (64, 64)
