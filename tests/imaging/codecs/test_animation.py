"""Animations keep their frames, durations and number of loops in a pipeline."""

from __future__ import annotations

import struct
from fractions import Fraction

import numpy as np
import pytest
from animations import Painted, apng
from pictures import animation, corpus, drawn, encoded, levels, opened, picture, psnr, result, run, sample
from PIL import Image

from imgsrv.imaging.codecs.decode import DecodePlan, decode, read_header
from imgsrv.imaging.info import describe_picture
from imgsrv.imaging.model.limits import Limits

FORMS = {"gif": "GIF", "webp": "WEBP", "png": "PNG", "avif": "AVIF"}
DURATIONS = [50, 120, 300]


def three_frames(form: str, **options: object) -> bytes:
    frames = [sample("chelsea.png").resize((40, 30)).rotate(turn) for turn in (0, 90, 180)]
    return animation(frames, form, **{"duration": DURATIONS, **options})


def durations_of(data: bytes) -> list[float]:
    image = opened(data)
    found = []
    for index in range(getattr(image, "n_frames", 1)):
        image.seek(index)
        image.load()
        found.append(image.info["duration"])
    return found


def frames_of(data: bytes) -> list[Image.Image]:
    image = opened(data)
    found = []
    for index in range(getattr(image, "n_frames", 1)):
        image.seek(index)
        found.append(image.convert("RGBA"))
    return found


@pytest.mark.parametrize("after", FORMS)
@pytest.mark.parametrize("before", FORMS)
def test_frames_and_durations_survive_a_resize_between_all_formats(before: str, after: str) -> None:
    data = run(three_frames(FORMS[before]), "resize:width=20", format=after)

    assert opened(data).size == (20, 15)
    assert durations_of(data) == DURATIONS


@pytest.mark.parametrize("name", FORMS)
def test_each_frame_is_the_resized_frame(name: str) -> None:
    data = three_frames("PNG")
    expected = [frame.resize((20, 15), Image.Resampling.LANCZOS) for frame in frames_of(data)]

    got = frames_of(run(data, "resize:width=20", format=name))

    for one, other in zip(got, expected, strict=True):
        assert psnr(levels(one, "RGB"), levels(other, "RGB")) > 25


def loop_of(name: str, plays: int) -> dict[str, int]:
    """What a file says for a number of plays, 0 for ever: a GIF says how often it is repeated, the others the plays."""
    if name != "gif" or plays == 0:
        return {"loop": plays}
    return {"loop": plays - 1} if plays > 1 else {}


@pytest.mark.parametrize("plays", [0, 1, 2, 3])
@pytest.mark.parametrize("after", ["gif", "webp", "png"])
@pytest.mark.parametrize("before", ["gif", "webp", "png"])
def test_the_number_of_plays_survives(before: str, after: str, plays: int) -> None:
    data = run(three_frames(FORMS[before], **loop_of(before, plays)), "resize:width=20", format=after)
    assert opened(data).info.get("loop") == loop_of(after, plays).get("loop")


def test_a_gif_that_plays_once_still_plays_once() -> None:
    assert "loop" not in opened(run(three_frames("GIF"), "flip")).info


def test_an_avif_loops_for_ever_as_in_players() -> None:
    assert opened(run(three_frames("AVIF"), format="gif")).info["loop"] == 0


def test_more_loops_than_a_gif_can_hold_become_its_maximum() -> None:
    assert opened(run(three_frames("PNG", loop=100_000), format="gif")).info["loop"] == 65_535


@pytest.mark.parametrize(
    ("before", "durations", "after", "expected"),
    [
        pytest.param("WEBP", [70_001, 20, 30], "png", [70_000, 20, 30], id="a-png-counts-in-16-bits"),
        pytest.param("WEBP", [700_001, 20, 30], "png", [700_000, 20, 30], id="minutes-are-rounded"),
        pytest.param("WEBP", [700_001, 20, 30], "webp", [700_001, 20, 30], id="a-webp-counts-in-24-bits"),
        pytest.param("WEBP", [900_000, 900_000, 30], "gif", [655_350, 655_350, 30], id="longer-than-a-gif-can-say"),
    ],
)
def test_a_duration_that_a_format_cannot_hold_is_shortened(
    before: str, durations: list[int], after: str, expected: list[int]
) -> None:
    assert durations_of(run(three_frames(before, duration=durations), format=after)) == expected


def test_equal_frames_of_a_long_slide_show_can_be_written_as_gif() -> None:
    data = animation([picture("RG"), picture("RG"), picture("GB")], "PNG", duration=[400_000, 400_010, 50])
    assert opened(run(data, format="gif")).size == (2, 1)


@pytest.mark.parametrize("name", ["jpeg", "tiff", "bmp", "jp2"])
def test_a_format_without_animation_gets_the_first_frame(name: str) -> None:
    got = opened(run(three_frames("GIF"), format=name))

    assert getattr(got, "n_frames", 1) == 1
    assert psnr(levels(got, "RGB"), levels(frames_of(three_frames("GIF"))[0], "RGB")) > 28


@pytest.mark.parametrize("name", FORMS)
def test_transparency_of_every_frame_survives(name: str) -> None:
    data = animation([picture("R./KK", "RGBA"), picture("../..", "RGBA")], "PNG", duration=50)
    last = frames_of(run(data, "resize:width=8,height=8,fit=fill,enlarge=true,kernel=nearest", format=name))[-1]
    assert np.asarray(last.getchannel("A")).max() <= 8


@pytest.mark.parametrize("after", ["gif", "webp", "png"])
@pytest.mark.parametrize(
    ("form", "disposal"),
    [("GIF", 0), ("GIF", 1), ("GIF", 2), ("GIF", 3), ("PNG", 0), ("PNG", 1), ("PNG", 2), ("WEBP", None)],
)
def test_each_frame_looks_the_same_with_every_disposal_method(form: str, disposal: int | None, after: str) -> None:
    frames = [Image.new("RGBA", (40, 30)) for _ in range(4)]
    for at, frame in enumerate(frames):
        frame.paste((255, 0, 0, 255), (at * 8, 5, at * 8 + 10, 20))
        frame.paste((0, 0, 255, 255), (0, at * 5, 6, at * 5 + 5))
    how = {"lossless": True} if disposal is None else {"disposal": disposal}
    data = animation(frames, form, duration=[40, 50, 60, 70], **how)

    made = run(data, "flop", format=after, lossless=after == "webp")

    for before, got in zip(frames_of(data), frames_of(made), strict=True):
        mirrored = before.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        assert np.array_equal(np.asarray(mirrored.convert("RGBa")), np.asarray(got.convert("RGBa")))
    assert durations_of(made) == [40, 50, 60, 70]


def test_the_still_picture_beside_an_animated_png_is_not_a_frame() -> None:
    data = animation([picture("R"), picture("G"), picture("B")], "PNG", default_image=True, duration=50)
    assert [drawn(frame) for frame in frames_of(run(data))] == ["G", "B"]


def test_a_frame_larger_than_its_gif_is_cut() -> None:
    data = animation([picture("RGBY/RGBY"), picture("KBGR/YBGR")], "GIF", duration=50)
    at = data.rindex(b",\0\0\0\0\x04\0\x02\0")
    moved = data[:at] + b"," + struct.pack("<HHHH", 3, 1, 4, 2) + data[at + 9 :]

    frames = frames_of(run(moved, format="png"))

    assert [frame.size for frame in frames] == [(4, 2), (4, 2)]
    assert drawn(frames[1]) == "RGBY/RGBK"


def test_every_operation_runs_on_every_frame() -> None:
    data = animation([picture("RG"), picture("BY")], "PNG", duration=50)
    assert [drawn(frame) for frame in frames_of(run(data, "flop"))] == ["GR", "YB"]


@pytest.mark.parametrize(
    "step",
    [
        "resize:width=20,height=20,fit=cover,focus_x=0.2",
        "resize:width=20,linear=true",
        "crop:width=0.5,aspect=1:1",
        "orient:value=7",
        "shear:x=20,y=-5",
        "perspective:corners=0.1:0;0.9:0.1;1:1;0:0.9,width=15",
        "pad:edge=4,mode=mirror",
        "extend:aspect=1:1,mode=blur",
        "border:width=3,colour=ff000080",
        "round:radius=0.3",
        "round:shape=circle,background=white",
    ],
)
def test_a_frame_gets_the_same_result_as_a_still_picture(step: str) -> None:
    data = three_frames("PNG")

    got = frames_of(run(data, step))

    for one, alone in zip(got, frames_of(data), strict=True):
        assert np.array_equal(np.asarray(one), np.asarray(result(alone.convert("RGB"), step).convert("RGBA")))


@pytest.mark.parametrize("step", ["smartcrop:width=8,height=8", "crop:width=8,height=8,gravity=smart"])
def test_smart_gravity_cuts_all_frames_at_the_same_place(step: str) -> None:
    # What attracts moves from the left to the middle; each frame alone would be cut elsewhere.
    frames = [Image.new("RGB", (48, 8), "gray") for _ in range(3)]
    for at, frame in zip((8, 12, 12), frames, strict=True):
        frame.paste((224, 172, 140), (at, 2, at + 4, 6))
    marks = np.asarray([[(20 * column, 0, 0) for column in range(12)]], np.uint8)
    for frame in frames:
        frame.paste(Image.fromarray(marks).resize((48, 1), Image.Resampling.NEAREST), (0, 0))

    got = [levels(frame, "RGB")[0] for frame in frames_of(run(animation(frames, "PNG", duration=50), step))]

    assert all(np.array_equal(got[0], row) for row in got)


@pytest.mark.parametrize(
    ("name", "frames", "loop"),
    [("odd/animated.gif", 2, None), ("odd/animated-loop-3.webp", 10, 3), ("odd/SmallFullColourGIF.gif", 20, None)],
)
def test_animations_of_the_corpus_keep_their_frames(name: str, frames: int, loop: int | None) -> None:
    before = opened(corpus(name))
    after = opened(run(corpus(name), "resize:width=50"))

    assert getattr(after, "n_frames", 1) == frames
    assert after.info.get("loop") == (before.info.get("loop") if loop is None else loop)


def test_a_gif_of_one_frame_stays_one_frame() -> None:
    assert getattr(opened(run(encoded(picture("RG"), "GIF"))), "n_frames", 1) == 1


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize(("plays", "durations"), [(0, (30, 70, 1000)), (3, (1, 57, 33))])
def test_an_animated_avif_keeps_every_level_with_lossless(mode: str, plays: int, durations: tuple[int, ...]) -> None:
    """A play of three frames of noise, whose levels lie anywhere."""
    noise = np.random.default_rng(1).integers(0, 256, (3, 32, 48, 4), np.uint8)
    frames = [Image.fromarray(pixels).convert(mode) for pixels in noise]
    data = apng(
        (48, 32),
        [
            Painted(np.asarray(frame.convert("RGBA")), seconds=Fraction(time, 1000), is_over=False)
            for frame, time in zip(frames, durations, strict=True)
        ],
        plays,
        colour=6 if mode == "RGBA" else 2,
    )

    made = run(data, format="avif", lossless=True)

    shown = decode(read_header(made, Limits()), DecodePlan(all_frames=True), Limits())
    assert (shown.plays, shown.durations, shown.frames[0].mode) == (plays, durations, mode)
    for frame, read in zip(frames, shown.frames, strict=True):
        assert np.array_equal(levels(read, "RGBA"), levels(frame, "RGBA"))


def test_a_deep_animation_becomes_an_avif_of_12_bits_with_lossless() -> None:
    """Read back in 8 bits; OpenCV's own reader tells its depth."""
    ramp = np.linspace(0, 65_535, 48 * 32 * 3).reshape(32, 48, 3).astype(np.uint16)
    frames = [Painted(np.dstack([np.roll(ramp, turn, 1), np.full((32, 48), 65_535, np.uint16)])) for turn in range(2)]

    made = run(apng((48, 32), frames, colour=2), format="avif", lossless=True)

    assert describe_picture(made, Limits())["bit_depth"] == 12
    shown = decode(read_header(made, Limits()), DecodePlan(all_frames=True), Limits()).frames
    for frame, read in zip(frames, shown, strict=True):
        assert np.abs(levels(read) - frame.pixels[..., :3] / 257).max() <= 1
