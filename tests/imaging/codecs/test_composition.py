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
from animations import CLEAR, KEEP, RESTORE, Levels, Painted, apng, chunk, composed, flat, gif, webp
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


@pytest.mark.parametrize(
    ("frames", "announced"),
    [([], 2), ([], 0), ([Painted(flat(RED, *SIZE))], 0), ([Painted(flat(RED, *SIZE))], (1 << 31) + 1)],
)
def test_a_png_that_only_announces_an_animation_is_a_still_picture(frames: list[Painted], announced: int) -> None:
    """Or announces none, or more than there can be."""
    data = apng(SIZE, frames, plays=3, default=flat(GREEN, *SIZE)).replace(
        chunk(b"acTL", struct.pack(">II", len(frames), 3)), chunk(b"acTL", struct.pack(">II", announced, 3))
    )
    assert result(data).convert("RGBA").getpixel((0, 0)) == GREEN


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
def test_an_animation_of_16_bits_keeps_them_as_png(colour: int) -> None:
    frames = [Painted(flat(LOW, 8, 6, np.uint16)), Painted(flat((65_535, 33_001, 7, 65_535), 4, 2, np.uint16), 2, 1)]
    data = apng((8, 6), frames, colour=colour)

    made = run(data, format="png")

    again = decode(read_header(made, Limits()), DecodePlan(all_frames=True, is_deep=True), Limits()).frames
    for one, wanted in zip(again, composed((8, 6), frames, 65_535), strict=True):
        assert np.array_equal(one.pixels[..., :3], wanted[..., :3].round())  # type: ignore[attr-defined]


@pytest.mark.parametrize("colour", [2, 6])
@pytest.mark.parametrize("name", ["png", "gif", "webp"])
def test_an_animation_of_16_bits_becomes_any_other(name: str, colour: int) -> None:
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


@pytest.mark.parametrize(("flags", "table"), [(0x80, b"\xff\0\0\0\xff\0"), (0, b"")])
def test_an_index_that_no_table_has_is_black(flags: int, table: bytes) -> None:
    pixels = b"\7\3\x01\x05\x81\0"
    data = b"GIF89a" + struct.pack("<HHBBB", 2, 1, flags, 0, 0) + table + b"," + struct.pack("<HHHHB", 0, 0, 2, 1, 0)

    shown = result(data + pixels + b";").convert("RGBA")

    # As in Chromium 156.
    assert [shown.getpixel((x, 0)) for x in (0, 1)] == [GREEN if table else (0, 0, 0, 255), (0, 0, 0, 255)]


def test_images_far_larger_than_the_screen_count_for_a_frame_behind_them_too() -> None:
    data = gif((4, 4), [Painted(flat(RED, 4, 4)), *[Painted(flat(GREEN, 100, 100))] * 2])
    with pytest.raises(TooManyPixels):
        run(data, limits=Limits(max_pixels=25_000), frame=2)


def test_images_far_larger_than_the_screen_count_against_the_limit() -> None:
    data = gif((4, 4), [Painted(flat(RED, 4, 4)), Painted(flat(GREEN, 100, 100))])
    with pytest.raises(TooManyPixels):
        run(data, limits=Limits(max_pixels=15_000))


def test_a_gif_of_too_many_blocks_is_refused() -> None:
    good = gif((4, 4), [Painted(flat(RED, 4, 4)), Painted(flat(GREEN, 4, 4))])
    with pytest.raises(Undecodable, match="too many blocks"):
        run(good[:-1] + bytes(500_001) + b";")


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([Painted(flat(RED, *SIZE)), Painted(flat(GREEN, 4, 4))], False),
        ([Painted(flat(RED, *SIZE)), Painted(flat(GREEN, 4, 4), disposal=CLEAR)], False),
        ([Painted(flat(RED, *SIZE), disposal=CLEAR), Painted(flat(GREEN, 4, 4))], True),
        ([Painted(flat(RED, 4, 4)), Painted(flat(GREEN, *SIZE))], True),
    ],
)
def test_alpha_is_reported_where_frames_leave_canvas_open(frames: list[Painted], *, expected: bool) -> None:
    data = apng(SIZE, frames, colour=2)

    assert describe_picture(data, Limits())["has_alpha"] is expected
    assert any(frame.mode == "RGBA" for frame in picture_of(data).frames) is expected


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


@pytest.mark.parametrize("first", [None, 1])
def test_the_last_number_of_repetitions_of_a_gif_counts(first: int | None) -> None:
    data = gif(SIZE, [Painted(flat(RED, 4, 4))] * 2, repeats=first)
    at = data.rindex(b"!\xf9")
    late = data[:at] + b"!\xff\x0bNETSCAPE2.0\3\1\3\0\0" + data[at:]

    # As in Chromium 156.
    assert picture_of(late).plays == 4


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
    made, at = data[:8], 8
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        content = data[at + 8 : at + 8 + size]
        if kind == b"fcTL":
            content = content[:22] + b"\0\0" + content[24:]
        made += chunk(kind, content)
        at += 12 + size
    return made


# ---- writing -------------------------------------------------------------------------------------------


def durations_of(data: bytes) -> tuple[int | Fraction, ...]:
    return picture_of(data).durations


def apng_of(durations: list[Fraction]) -> bytes:
    """Frames that stand so many seconds, the second and the third one alike."""
    colours = [RED, GREEN, GREEN, *[BLUE, RED] * len(durations)]
    return apng(SIZE, [Painted(flat(colour, *SIZE), seconds=each) for colour, each in zip(colours, durations)])  # noqa: B905


def test_an_animated_png_keeps_exact_durations() -> None:
    durations = [Fraction(1, 30), Fraction(1001, 30_000), Fraction(65_535), Fraction(0)]
    assert durations_of(run(apng_of(durations))) == tuple(1000 * each for each in durations)


def test_a_webp_rounds_to_milliseconds_without_drift() -> None:
    made = durations_of(run(apng_of([Fraction(1, 30)] * 9), format="webp"))
    # libwebp adds up frames that look alike.
    assert made == (33, 67, 33, 34, 33, 33, 34, 33)
    assert sum(made) == 300


@pytest.mark.parametrize(
    ("seconds", "hundredths"),
    [
        pytest.param([Fraction(1, 30)] * 6, [3, 4, 3, 3, 4, 3], id="what-is-rounded-goes-to-the-next"),
        pytest.param([Fraction(16, 1000)] * 4, [2, 2, 2, 2], id="more-than-one-step-is-never-one"),
        pytest.param([Fraction(1, 100), Fraction(0), Fraction(1, 200)], [1, 0, 1], id="one-step-is-one-step"),
        pytest.param([Fraction(900), Fraction(1), Fraction(900)], [65_535, 100, 65_535], id="as-long-as-can-be"),
        pytest.param([Fraction(10)] * 70, [1000] * 70, id="above-655-s-in-all"),
    ],
)
def test_a_gif_rounds_each_duration_to_hundredths(seconds: list[Fraction], hundredths: list[int]) -> None:
    made = run(apng_of(seconds), format="gif")

    assert durations_of(made) == tuple(10 * each for each in hundredths)
    image = opened(made)
    assert image.n_frames == len(seconds)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["gif", "png"])
@pytest.mark.parametrize("seed", range(6))
def test_a_written_animation_shows_the_same_frames(name: str, seed: int) -> None:
    frames = painted_at_random("gif", seed)

    made = run(gif(SIZE, frames), format=name)

    for one, wanted in zip(picture_of(made).frames, composed(SIZE, frames), strict=True):
        assert difference(levels(one, "RGBA"), wanted) == 0
    assert_pillow_sees(made, frames)


def assert_pillow_sees(data: bytes, frames: list[Painted]) -> None:
    """Pillow composes what is written here without the disposals that it gets wrong."""
    image = opened(data)
    for index, wanted in enumerate(composed(SIZE, frames)):
        image.seek(index)
        assert difference(levels(image, "RGBA"), wanted) == 0


def test_an_opaque_gif_has_only_the_parts_that_change() -> None:
    noise = np.random.default_rng(4).integers(0, 255, (90, 90, 4), np.uint8)
    noise[..., 3] = 255
    still = Painted(noise)
    data = apng((90, 90), [still, Painted(flat(RED, 3, 3), 7, 9), Painted(flat(RED, 3, 3), 7, 9)])

    assert len(run(data, format="gif")) < 1.3 * len(run(apng((90, 90), [still]), format="gif"))


@pytest.mark.parametrize("colours", [None, 16])
def test_a_soft_shadow_in_a_gif_ends_where_it_is_half_transparent(colours: int | None) -> None:
    alpha = np.arange(256, dtype=np.uint8)[None].repeat(4, 0)
    shadow = Image.fromarray(np.dstack([np.full_like(alpha, 40), np.full_like(alpha, 20), alpha * 0, alpha]))

    for data in (encoded(shadow), apng((256, 4), [Painted(np.asarray(shadow))] * 2)):
        made = levels(result(run(data, format="gif", colours=colours)), "RGBA")

        assert np.array_equal(made[..., 3], np.where(alpha >= 128, 255, 0))
        assert np.abs(made[:, 128:, :3] - (40, 20, 0)).max() <= 2


def test_colours_of_hidden_pixels_take_no_place_in_the_palette_of_a_gif() -> None:
    noise = np.random.default_rng(4).integers(0, 255, (64, 64, 4), np.uint8)
    noise[..., 3] = 0
    noise[8:40, 8:40, 3] = 255
    noise[8:40, 8:40, :3] = np.arange(32)[:, None, None] * 8

    made = levels(result(encoded(Image.fromarray(noise)), format="gif"), "RGBA")

    assert np.array_equal(made[8:40, 8:40], noise[8:40, 8:40])


@pytest.mark.parametrize("colours", [12, 256])
def test_the_palette_of_a_large_gif_with_hidden_parts_fits_its_colours(colours: int) -> None:
    """Of many colours it is chosen from some pixels; few ones are all there, however rare they are."""
    across, down = np.meshgrid(np.arange(400), np.arange(300))
    steps = np.dstack([across * 255 // 399, down * 255 // 299, (across + down) * 255 // 698, np.full_like(down, 255)])
    steps[:20, :20, 3] = 0
    if colours == 12:
        steps[..., :3] = 7
        steps[30, 30:41, :3] = np.arange(11)[:, None] * 20 + 20

    made = levels(result(encoded(Image.fromarray(steps.astype(np.uint8))), format="gif"), "RGBA")

    assert np.array_equal(made[..., 3], steps[..., 3])
    shown = steps[..., 3] > 0
    if colours == 12:
        assert np.array_equal(made[shown], steps[shown])
    else:
        error = np.mean((made[shown] - steps[shown])[:, :3] ** 2)
        # Pillow's octree has 29 dB.
        assert 10 * np.log10(255**2 / error) > 33


def test_a_picture_that_is_hidden_altogether_is_a_transparent_gif() -> None:
    made = levels(result(encoded(Image.new("RGBA", (4, 3))), format="gif"), "RGBA")
    assert (made.shape, made[..., 3].max()) == ((3, 4, 4), 0)


def test_an_animated_png_of_few_colours_has_those_of_every_frame() -> None:
    data = apng(SIZE, [Painted(flat(RED, *SIZE)), Painted(flat(GREEN, *SIZE)), Painted(flat(BLUE, 4, 4))])

    shown = picture_of(run(data, format="png", colours=4)).frames

    assert [frame.convert("RGB").getpixel((0, 0)) for frame in shown] == [RED[:3], GREEN[:3], BLUE[:3]]


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


def test_an_animated_png_with_wrong_pixels_is_refused() -> None:
    data = three("apng")
    with pytest.raises(Undecodable, match="checksum"):
        run(data[:-30] + bytes((data[-30] ^ 1,)) + data[-29:])


def numbered(data: bytes, old: bytes, new: bytes) -> bytes:
    """The file with the kind and the number of one chunk of animation changed, and its checksum made right."""
    at = data.index(old)
    end = at + 4 + int.from_bytes(data[at - 4 : at], "big")
    return data[: at - 4] + chunk(new[:4], new[4:] + data[at + len(new) : end]) + data[end + 4 :]


@pytest.mark.parametrize(
    "change",
    [
        lambda data: numbered(data, b"fdAT\0\0\0\1", b"fdAT\0\0\0\2"),
        lambda data: numbered(data, b"fcTL\0\0\0\0", b"fcTL\0\0\0\1"),
        lambda data: numbered(data, b"fdAT\0\0\0\1", b"abCd\0\0\0\1").replace(b"fcTL\0\0\0\2", b"fcTL\0\0\0\1"),
        lambda data: numbered(data, b"fdAT\0\0\0\3", b"abCd\0\0\0\3"),
        lambda data: data.replace(b"fcTL\0\0\0\2", b"fcTL\0\0\0\3"),
    ],
    ids=["data out of order", "begins with 1", "no data", "no data at last", "wrong checksum of a control"],
)
def test_a_png_whose_chunks_of_animation_contradict_another_is_its_default_image(
    change: Callable[[bytes], bytes],
) -> None:
    """Source: "Error Handling" of the specification of APNG 1.0; Chromium 156 does so for what it reads."""
    frames = [Painted(flat(RED, *SIZE)), Painted(flat(BLUE, 4, 4))]
    data = change(apng(SIZE, frames, default=flat(GREEN, *SIZE)))

    assert [frame.getpixel((0, 0)) for frame in picture_of(data).frames] == [GREEN]
    assert result(data, frame=0).convert("RGBA").getpixel((0, 0)) == GREEN
    assert (describe_picture(data, Limits())["frames"], describe_picture(data, Limits())["durations"]) == (1, [])
    with pytest.raises(NoSuchFrame):
        run(data, frame=1)


def test_an_animated_png_with_a_frame_outside_of_its_canvas_is_its_default_image() -> None:
    data = apng(SIZE, [Painted(flat(RED, *SIZE)), Painted(flat(GREEN, 9, 9), 15, 0)])
    assert [frame.convert("RGBA").getpixel((0, 0)) for frame in picture_of(data).frames] == [RED]


def test_a_still_picture_is_no_animation() -> None:
    for form in ("PNG", "WEBP"):
        assert picture_of(encoded(Image.new("RGB", (4, 4)), form)).durations == (0,)
