"""JPEG XL read right.  The right values are the numbers that the files are made of, which are coded without loss."""

from __future__ import annotations

import io
from collections.abc import Container
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from made.jpegxl import cmyk_profile, jpegxl
from pictures import opened, run
from PIL import Image

from imgsrv.errors import NoSuchFrame, Undecodable
from imgsrv.imaging.apart import pictures, pool
from imgsrv.imaging.apart.process import Allowance, Job
from imgsrv.imaging.codecs.decode import DecodePlan, decode, read_header
from imgsrv.imaging.formats import jxl
from imgsrv.imaging.formats.jxl import JxlFacts, read_jxl_facts
from imgsrv.imaging.info import describe_picture
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.pixels.sixteen_bit import DeepFrame

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDTH, HEIGHT = 37, 23


def noise(channels: int, dtype: type = np.uint8, seed: int = 0, bits: int = 8) -> NDArray[Any]:
    generator = np.random.default_rng(seed)
    if dtype is np.float32:
        return generator.random((HEIGHT, WIDTH, channels), np.float32)
    return generator.integers(0, 1 << bits, (HEIGHT, WIDTH, channels), dtype)


def read(data: bytes, *, is_deep: bool = False, index: int | None = None) -> NDArray[Any]:
    """The pixels of a frame."""
    frame = decode(read_header(data, Limits(), index), DecodePlan(is_deep=is_deep), Limits()).frames[0]
    return frame.pixels if isinstance(frame, DeepFrame) else np.asarray(frame)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_8_bits_are_what_they_are(channels: int) -> None:
    pixels = noise(channels)
    got = read(jpegxl([pixels], has_alpha=channels in (2, 4)))
    wanted = pixels[..., [0, 0, 0, 1]] if channels == 2 else pixels
    assert np.array_equal(got.reshape(wanted.shape), wanted)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bits_are_kept_where_they_are_wanted(channels: int) -> None:
    pixels = noise(channels, np.uint16, bits=16)
    data = jpegxl([pixels], has_alpha=channels == 4)
    assert np.array_equal(read(data, is_deep=True).reshape(pixels.shape), pixels)
    assert np.abs(read(data).reshape(pixels.shape) - pixels / 257).max() <= 0.501


def test_12_bits_are_scaled_to_the_full_range() -> None:
    pixels = noise(3, np.uint16, bits=12)
    data = jpegxl([pixels], bits=12)
    assert np.abs(read(data, is_deep=True) - pixels / 4095 * 65_535).max() <= 0.51
    assert np.abs(read(data) - pixels / 4095 * 255).max() <= 0.51
    assert describe_picture(data, Limits())["bit_depth"] == 12


@pytest.mark.parametrize("channels", [1, 3])
def test_float_is_0_to_1(channels: int) -> None:
    pixels = noise(channels, np.float32)
    got = read(jpegxl([pixels]), is_deep=True).reshape(pixels.shape)
    assert np.abs(got - pixels * 65_535).max() <= 0.51


def test_linear_light_is_converted_in_16_bits() -> None:
    light = np.tile(np.linspace(0, 65_535, WIDTH).astype(np.uint16)[:, None], (HEIGHT, 1, 3))
    share = light[0, :, 0] / 65_535
    srgb = np.where(share <= 0.0031308, 12.92 * share, 1.055 * share ** (1 / 2.4) - 0.055) * 255

    assert np.abs(read(jpegxl([light], is_linear=True))[0, :, 1] - srgb).max() <= 1


def test_premultiplied_alpha_is_divided_out() -> None:
    alpha = np.tile(np.arange(WIDTH) * 6, (HEIGHT, 1))
    half = np.stack([alpha // 2, alpha, alpha * 0, alpha], axis=-1).astype(np.uint8)

    got = read(jpegxl([half], has_alpha=True, is_premultiplied=True))

    assert np.array_equal(got[..., 3], alpha)
    assert np.abs(got[0, 1:, :3] - (127.5, 255, 0)).max() <= 3  # levels of alpha are 6 apart


def test_cmyk_is_read_with_its_black() -> None:
    """White is the largest number in the file: no ink."""
    ink = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    ink[:, :10] = (255, 0, 0, 0)
    ink[:, 10:20] = (0, 255, 255, 0)
    ink[:, 20:30] = (0, 0, 0, 255)

    got = read(jpegxl([255 - ink], profile=cmyk_profile())).astype(int)

    for at, colour in ((5, (0, 255, 255)), (15, (255, 0, 0)), (25, (0, 0, 0)), (35, (255, 255, 255))):
        assert np.abs(got[3, at] - colour).max() <= 12


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(orientation: int) -> None:
    pixels = noise(3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = Image.fromarray(pixels)
    upright = upright.transpose(turn) if (turn := TURNS.get(orientation)) is not None else upright

    got = read(jpegxl([pixels], orientation=orientation))

    assert np.array_equal(got, np.asarray(upright))


TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How a picture of each EXIF orientation is turned upright."""


# ---- animations ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [3, 4])
def test_an_animation_plays_with_all_its_frames(channels: int) -> None:
    frames = [noise(channels, seed=seed) for seed in range(5)]
    data = jpegxl(frames, has_alpha=channels == 4, durations=(100, 40, 1000, 20, 70), plays=3)

    picture = decode(read_header(data, Limits()), DecodePlan(all_frames=True), Limits())

    assert picture.durations == (100, 40, 1000, 20, 70)
    assert picture.plays == 3
    assert all(np.array_equal(np.asarray(got), frame) for got, frame in zip(picture.frames, frames, strict=True))
    facts = describe_picture(data, Limits())
    assert (facts["frames"], facts["durations"], facts["plays"]) == (5, [100, 40, 1000, 20, 70], 3)


def test_an_animation_stays_one_as_webp_and_png() -> None:
    frames = [noise(3, seed=seed) for seed in range(3)]
    data = jpegxl(frames, durations=(5, 10, 15), ticks=(100, 1))

    for form in ("webp", "png"):
        got = opened(run(data, format=form, lossless=form == "webp"))
        assert getattr(got, "n_frames", 1) == 3
        assert np.array_equal(np.asarray(got.convert("RGB")), frames[0])


def test_one_frame_of_an_animation_is_read_by_its_number() -> None:
    frames = [noise(3, seed=seed) for seed in range(4)]
    data = jpegxl(frames, durations=(10, 10, 10, 10))

    assert np.array_equal(read(data), frames[0])
    assert np.array_equal(read(data, index=2), frames[2])
    with pytest.raises(NoSuchFrame):
        read(data, index=4)


def test_frames_are_decoded_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [noise(3, seed=seed) for seed in range(9)]
    data = jpegxl(frames, durations=[10] * 9)
    monkeypatch.setattr(jxl, "BATCH_BYTES", 3 * 3 * WIDTH * HEIGHT)

    picture = decode(read_header(data, Limits()), DecodePlan(all_frames=True), Limits())

    assert all(np.array_equal(np.asarray(got), frame) for got, frame in zip(picture.frames, frames, strict=True))


def test_a_still_picture_has_one_frame() -> None:
    facts = describe_picture(jpegxl([noise(3)]), Limits())
    assert (facts["frames"], facts["durations"], facts["plays"]) == (1, [], None)


# ---- where it is decoded -------------------------------------------------------------------------------


@pytest.mark.parametrize("is_deep", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_helper_gives_the_same_pixels(monkeypatch: pytest.MonkeyPatch, channels: int, is_deep: bool) -> None:  # noqa: FBT001
    data = jpegxl([noise(channels, np.uint16, bits=16)], has_alpha=channels in (2, 4))
    pool.take_losses()
    apart = read(data, is_deep=is_deep)
    assert pool._State.idle
    assert pool.take_losses() == []

    monkeypatch.setattr(pictures, "is_warm", lambda: False)

    assert np.array_equal(read(data, is_deep=is_deep), apart)


def test_a_job_has_memory_for_the_size_of_its_picture_only(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Allowance] = []
    run_apart = pool.run

    def watched(name: str, job: Job, allowed: Allowance, overflows: Container[str]) -> list[bytes]:
        given.append(allowed)
        return run_apart(name, job, allowed, overflows)

    monkeypatch.setattr(pictures, "run", watched)
    read(jpegxl([noise(3)]))

    spare = pictures.SPARE_BYTES
    assert [allowed.memory - spare for allowed in given] == [0, 2 * jxl.FORMAT.decode_bytes_per_pixel * WIDTH * HEIGHT]


@pytest.mark.parametrize("kept", [12, 40, 0.5, 0.9])
def test_a_file_that_is_cut_off_is_refused(kept: float) -> None:
    data = jpegxl([noise(3)])
    with pytest.raises(Undecodable):
        read(data[: round(kept * len(data)) if kept < 1 else int(kept)])


def test_a_description_needs_the_header_alone() -> None:
    data = jpegxl([noise(3)])
    for size in range(12, len(data)):
        try:
            header = read_header(data[:size], Limits())
        except Undecodable:
            continue
        assert describe_picture(data[:size], Limits())["width"] == header.size[0] == WIDTH


@pytest.mark.parametrize("facts", [{}, {"size": 3}, {"size": [1]}, {"size": [1, 1], "bits": "x"}, {"size": "ab"}])
def test_facts_that_make_no_sense_are_a_broken_file(monkeypatch: pytest.MonkeyPatch, facts: dict[str, Any]) -> None:
    monkeypatch.setattr(jxl, "decode_apart", lambda *_arguments: (None, facts, b""))
    with pytest.raises(OSError, match="no sense"):
        read_jxl_facts(io.BytesIO(b""))


def test_facts_are_read() -> None:
    facts = read_jxl_facts(io.BytesIO(jpegxl([noise(4)], has_alpha=True)))
    assert facts == JxlFacts((WIDTH, HEIGHT), has_alpha=True)
