"""Each frame of an animation looks as its specification says, and as browsers show it.

Right values come from the model in `tests/support/animations.py`, and single colours from Chromium 156.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from animations import CLEAR, KEEP, RESTORE, Levels, Painted, apng, composed, flat, gif, webp
from pictures import encoded, levels, opened, result, run
from PIL import Image

from imgsrv.errors import NoSuchFrame, TooManyPixels, Undecodable
from imgsrv.imaging.codecs.decode import DecodePlan, decode, read_header
from imgsrv.imaging.info import describe_picture
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.model.picture import Picture

RED, GREEN, BLUE = (255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255)

SIZE = (20, 16)

WRITERS: dict[str, Callable[..., bytes]] = {"gif": gif, "apng": apng, "webp": webp}

DISPOSALS = {"gif": (KEEP, CLEAR, RESTORE), "apng": (KEEP, CLEAR, RESTORE), "webp": (KEEP, CLEAR)}


def picture_of(data: bytes) -> Picture:
    """The picture with all its frames."""
    return decode(read_header(data, Limits()), DecodePlan(all_frames=True), Limits())


def difference(got: Levels, wanted: Levels) -> float:
    """The largest difference of levels; the colours of a pixel count as far as it is visible."""
    weight = np.maximum(got[..., 3:], wanted[..., 3:]) / 255
    return float(max(np.abs((got - wanted)[..., :3] * weight).max(), np.abs((got - wanted)[..., 3]).max()))


def painted_at_random(form: str, seed: int) -> list[Painted]:
    """Frames with parts of alpha, at any place, with any disposal and blending that the format has."""
    chance = random.Random(seed)  # noqa: S311  repeatable, not secret
    frames = []
    for _ in range(7):
        left, top = 2 * chance.randrange(6), 2 * chance.randrange(5)
        covers = chance.random() < 0.2
        width, height = SIZE if covers else (chance.randrange(1, SIZE[0] - left), chance.randrange(1, SIZE[1] - top))
        pixels = np.random.default_rng(chance.randrange(1 << 30)).choice([0, 90, 170, 255], (height, width, 4))
        if form == "gif":
            pixels[..., 3] = np.where(pixels[..., 3] > 100, 255, 0)
        frames.append(
            Painted(
                pixels.astype(np.uint8),
                *((0, 0) if covers else (left, top)),
                chance.choice(DISPOSALS[form]),
                is_over=form == "gif" or chance.random() < 0.6,
            )
        )
    return frames


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("form", WRITERS)
def test_frames_are_composed_as_the_specification_says(form: str, seed: int) -> None:
    frames = painted_at_random(form, seed)

    got = picture_of(WRITERS[form](SIZE, frames)).frames

    for one, wanted in zip(got, composed(SIZE, frames), strict=True):
        # Each blending of partly transparent pixels rounds once.
        assert difference(levels(one, "RGBA"), wanted) <= 2


@pytest.mark.parametrize("form", WRITERS)
def test_one_frame_is_the_same_as_in_the_whole_animation(form: str) -> None:
    data = WRITERS[form](SIZE, painted_at_random(form, 3))

    for index, frame in enumerate(picture_of(data).frames):
        assert np.array_equal(levels(result(data, frame=index), "RGBA"), levels(frame, "RGBA"))


@pytest.mark.parametrize("form", WRITERS)
def test_canvas_that_no_frame_covers_is_transparent(form: str) -> None:
    data = WRITERS[form](SIZE, [Painted(flat(RED, 4, 4), 2, 2), Painted(flat(GREEN, 4, 4), 8, 8)])

    last = result(data, frame=1).convert("RGBA")

    assert [last.getpixel(at) for at in ((3, 3), (9, 9), (0, 0), (9, 3))] == [RED, GREEN, (0, 0, 0, 0), (0, 0, 0, 0)]


def test_a_gif_of_one_small_image_is_transparent_around_it() -> None:
    still = result(gif(SIZE, [Painted(flat(RED, 4, 4), 2, 2)])).convert("RGBA")

    assert (still.size, still.getpixel((3, 3)), still.getpixel((0, 0))) == (SIZE, RED, (0, 0, 0, 0))


@pytest.mark.parametrize("form", WRITERS)
def test_an_opaque_animation_stays_opaque(form: str) -> None:
    frames = [Painted(flat(RED, *SIZE)), Painted(flat(GREEN, 4, 4), 2, 2, CLEAR if form == "none" else KEEP)]
    assert {frame.mode for frame in picture_of(WRITERS[form](SIZE, frames)).frames} <= {"RGB", "RGBA"}
    assert all(levels(frame, "RGBA")[..., 3].min() == 255 for frame in picture_of(WRITERS[form](SIZE, frames)).frames)


def test_the_first_frame_of_an_animated_png_is_cleared_where_it_would_be_restored() -> None:
    frames = [Painted(flat(RED, *SIZE), disposal=RESTORE), Painted(flat(GREEN, 2, 2))]
    last = result(apng(SIZE, frames), frame=1).convert("RGBA")
    assert (last.getpixel((0, 0)), last.getpixel((9, 9))) == (GREEN, (0, 0, 0, 0))


def test_a_default_image_is_no_part_of_the_animation() -> None:
    data = apng(SIZE, [Painted(flat(GREEN, *SIZE)), Painted(flat(BLUE, 4, 4))], default=flat(RED, *SIZE))

    assert len(picture_of(data).frames) == 2
    assert result(data, frame=0).convert("RGBA").getpixel((0, 0)) == GREEN
    assert opened(run(data, format="jpeg")).getpixel((9, 9)) == pytest.approx(GREEN[:3], abs=3)
    assert describe_picture(data, Limits())["frames"] == 2


def test_a_default_image_beside_one_frame_is_a_still_picture_of_the_frame() -> None:
    data = apng(SIZE, [Painted(flat(GREEN, *SIZE))], default=flat(RED, *SIZE))

    assert describe_picture(data, Limits())["frames"] == 1
    assert result(data).convert("RGBA").getpixel((0, 0)) == GREEN
    with pytest.raises(NoSuchFrame):
        run(data, frame=1)


# ---- 16 bits -------------------------------------------------------------------------------------------

LOW, HIGH = (1000, 30_000, 65_000, 65_535), (65_535, 33_001, 7, 30_000)


def test_one_frame_of_a_deep_animation_keeps_its_16_bits() -> None:
    frames = [Painted(flat(LOW, 8, 6, np.uint16)), Painted(flat(HIGH, 4, 2, np.uint16), 2, 1)]
    data = apng((8, 6), frames)

    picture = decode(read_header(data, Limits(), 1), DecodePlan(is_deep=True), Limits())

    wanted = composed((8, 6), frames, 65_535)[1]
    assert np.abs(picture.frames[0].pixels - wanted).max() <= 1  # type: ignore[attr-defined]  # it is a DeepFrame
    assert opened(run(data, frame=1)).size == (8, 6)


@pytest.mark.parametrize("colour", [2, 6])
@pytest.mark.parametrize("name", ["png", "gif", "webp"])
def test_an_animation_of_16_bits_is_written_in_8(name: str, colour: int) -> None:
    frames = [Painted(flat(LOW, 8, 6, np.uint16)), Painted(flat((65_535, 33_001, 7, 65_535), 4, 2, np.uint16), 2, 1)]

    made = opened(run(apng((8, 6), frames, colour=colour), format=name, lossless=name == "webp"))

    made.seek(1)
    assert made.convert("RGB").getpixel((3, 1)) == pytest.approx((255, 128, 0), abs=1)
    assert made.convert("RGB").getpixel((0, 0)) == pytest.approx((4, 117, 253), abs=1)


# ---- frames beside the screen of a GIF -----------------------------------------------------------------


def test_the_first_image_of_a_gif_enlarges_its_screen() -> None:
    data = gif((4, 4), [Painted(flat(RED, 6, 5), 1, 1), Painted(flat(GREEN, 3, 3), 5, 4)])

    frames = picture_of(data).frames

    assert {frame.size for frame in frames} == {(7, 6)}
    last = frames[1].convert("RGBA")
    assert [last.getpixel(at) for at in ((0, 0), (1, 1), (6, 5))] == [(0, 0, 0, 0), RED, GREEN]
    assert result(data, frame=1).size == (7, 6)
    assert describe_picture(data, Limits())["width"] == 7


def test_a_later_image_of_a_gif_is_cut_at_the_screen() -> None:
    frames = [Painted(flat(RED, 4, 4)), Painted(flat(GREEN, 9, 9), 2, 2, CLEAR), Painted(flat(BLUE, 2, 2), 50, 0)]
    data = gif((4, 4), frames)

    assert [frame.size for frame in picture_of(data).frames] == [(4, 4)] * 3
    for index, wanted in enumerate(composed((4, 4), frames)):
        assert np.array_equal(levels(result(data, frame=index), "RGBA"), wanted)


def test_an_image_without_pixels_paints_nothing() -> None:
    data = gif((4, 4), [Painted(flat(RED, 4, 4)), Painted(flat(GREEN, 1, 1), 1, 1)])
    at = data.rindex(b"," + struct.pack("<HHHH", 1, 1, 1, 1))
    empty = data[:at] + b"," + struct.pack("<HHHH", 1, 1, 0, 0) + data[at + 9 :]

    assert [frame.convert("RGBA").getpixel((1, 1)) for frame in picture_of(empty).frames] == [RED, RED]


def test_images_far_larger_than_the_screen_count_against_the_limit() -> None:
    data = gif((4, 4), [Painted(flat(RED, 4, 4)), Painted(flat(GREEN, 100, 100))])
    with pytest.raises(TooManyPixels):
        run(data, limits=Limits(max_pixels=15_000))


# ---- durations and plays -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "plays"),
    [
        (gif(SIZE, [Painted(flat(RED, 4, 4))] * 2, repeats=None), 1),
        (gif(SIZE, [Painted(flat(RED, 4, 4))] * 2, repeats=0), 0),
        (gif(SIZE, [Painted(flat(RED, 4, 4))] * 2, repeats=1), 2),
        (gif(SIZE, [Painted(flat(RED, 4, 4))] * 2, repeats=65_535), 65_536),
        (apng(SIZE, [Painted(flat(RED, 4, 4))] * 2, plays=0), 0),
        (apng(SIZE, [Painted(flat(RED, 4, 4))] * 2, plays=7), 7),
        (webp(SIZE, [Painted(flat(RED, 4, 4))] * 2, plays=0), 0),
        (webp(SIZE, [Painted(flat(RED, 4, 4))] * 2, plays=1), 1),
    ],
)
def test_the_number_of_plays_is_what_the_format_means(data: bytes, plays: int) -> None:
    assert picture_of(data).plays == plays
    assert describe_picture(data, Limits())["plays"] == plays


def test_durations_are_exact() -> None:
    third = [Painted(flat(RED, 4, 4), seconds=Fraction(1, 30)), Painted(flat(BLUE, 4, 4), seconds=Fraction(2, 3))]

    assert picture_of(apng(SIZE, third)).durations == (Fraction(100, 3), Fraction(2000, 3))
    assert describe_picture(apng(SIZE, third), Limits())["durations"] == [33, 667]


def test_a_delay_without_denominator_counts_hundredths() -> None:
    data = apng(SIZE, [Painted(flat(RED, 4, 4))] * 2)
    assert data.count(struct.pack(">HH", 1, 10)) == 2
    kept = zeroed_denominators(data)
    assert picture_of(kept).durations == (10, 10)


def zeroed_denominators(data: bytes) -> bytes:
    """The PNG with delays of 1/0, and right checksums."""
    from animations import chunk  # noqa: PLC0415

    made, at = data[:8], 8
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        content = data[at + 8 : at + 8 + size]
        if kind == b"fcTL":
            content = content[:22] + b"\0\0" + content[24:]
        made += chunk(kind, content)
        at += 12 + size
    return made


# ---- broken files --------------------------------------------------------------------------------------


def three(form: str) -> bytes:
    noise = np.random.default_rng(5).integers(0, 126, (16, 20, 4), np.uint8)
    noise[..., 3] = 255
    noise[..., :3] //= 40
    return WRITERS[form](SIZE, [Painted(np.roll(noise, turn, 0)) for turn in range(3)])


@pytest.mark.parametrize("form", WRITERS)
def test_a_file_that_is_cut_in_its_last_frame_is_refused(form: str) -> None:
    data = three(form)
    with pytest.raises(Undecodable):
        run(data[: len(data) - 40], format="png")


def test_a_file_that_is_cut_behind_its_pixels_is_read() -> None:
    assert len(picture_of(three("gif")[:-1]).frames) == 3
    assert len(picture_of(three("apng")[:-12]).frames) == 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: data.replace(b"fdAT\0\0\0\2", b"fdAT\0\0\0\3"), "not in order"),
        (lambda data: data[:-30] + bytes((data[-30] ^ 1,)) + data[-29:], "checksum"),
    ],
    ids=["numbers", "pixels"],
)
def test_an_animated_png_with_wrong_frames_is_refused(change: Callable[[bytes], bytes], reason: str) -> None:
    with pytest.raises(Undecodable, match=reason):
        run(change(three("apng")))


def test_a_frame_outside_of_the_canvas_of_a_png_is_refused() -> None:
    with pytest.raises(Undecodable, match="not on its canvas"):
        run(apng(SIZE, [Painted(flat(RED, *SIZE)), Painted(flat(GREEN, 9, 9), 15, 0)]))


def test_a_still_picture_is_no_animation() -> None:
    for form in ("PNG", "WEBP"):
        assert picture_of(encoded(Image.new("RGB", (4, 4)), form)).durations == (0,)
