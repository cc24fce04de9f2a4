"""A large picture has memory that is cleared without the interpreter's lock, and the same pixels as ever."""

from __future__ import annotations

import io

import pytest
from pictures import encoded, run, sample
from PIL import Image, ImageChops

from imgsrv.imaging.memory import huge_pages
from imgsrv.imaging.memory.huge_pages import BYTES_PER_PIXEL, LEAST_BYTES, blank_picture, prepare_memory

LARGE, SMALL = (2600, 1700), (600, 400)


@pytest.fixture(autouse=True)
def with_huge_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine that has them: the memory is the same without, only slower."""
    monkeypatch.setattr(huge_pages, "_are_there", lambda: True)


def jpeg(size: tuple[int, int], mode: str = "RGB") -> bytes:
    return encoded(sample("chelsea.png").convert(mode).resize(size), "JPEG")


def is_prepared(image: Image.Image) -> bool:
    prepare_memory(image)
    return image._im is not None


@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_a_large_jpeg_is_decoded_into_mapped_memory_with_the_same_pixels(mode: str) -> None:
    data = jpeg(LARGE, mode)
    image, usual = Image.open(io.BytesIO(data)), Image.open(io.BytesIO(data))
    assert is_prepared(image)
    assert image.mode == mode
    assert ImageChops.difference(image.convert("RGB"), usual.convert("RGB")).getbbox() is None
    assert image.tobytes() == usual.tobytes()


@pytest.mark.parametrize(
    ("size", "mode"),
    [pytest.param(SMALL, "RGB", id="a-small-one"), pytest.param(LARGE, "L", id="a-grey-one-of-4-mb")],
)
def test_a_small_picture_keeps_the_memory_of_the_heap(size: tuple[int, int], mode: str) -> None:
    assert not is_prepared(Image.open(io.BytesIO(jpeg(size, mode))))


def test_a_picture_that_is_decoded_keeps_its_memory() -> None:
    image = Image.open(io.BytesIO(jpeg(LARGE)))
    image.load()
    memory = image.im
    prepare_memory(image)
    assert image.im is memory


def test_a_machine_without_huge_pages_uses_the_heap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huge_pages, "_are_there", lambda: False)
    assert not is_prepared(Image.open(io.BytesIO(jpeg(LARGE))))
    assert blank_picture("RGB", LARGE).getbbox() is None


@pytest.mark.parametrize("mode", BYTES_PER_PIXEL)
def test_a_blank_picture_is_zero_and_can_be_written(mode: str) -> None:
    side = int((LEAST_BYTES / BYTES_PER_PIXEL[mode]) ** 0.5) + 1
    picture = blank_picture(mode, (side, side))
    assert (picture.mode, picture.size, picture.getbbox()) == (mode, (side, side), None)
    full = (255,) * len(picture.getbands())
    picture.paste(full if len(full) > 1 else 255, (side - 1, side - 1, side, side))
    assert picture.getbbox() == (side - 1, side - 1, side, side)
    assert picture.copy().tobytes() == picture.tobytes()


def test_what_a_broken_picture_lacks_is_not_the_memory_of_another_one() -> None:
    data = jpeg(LARGE)
    half = data[: len(data) // 2]
    first = run(half, broken="accept", format="png")
    run(data, "blur:sigma=2")
    assert run(half, broken="accept", format="png") == first
