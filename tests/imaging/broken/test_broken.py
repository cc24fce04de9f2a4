"""A broken picture gives Undecodable, for every exception of a codec."""

from __future__ import annotations

import random

import pytest
from pictures import animation, corpus, encoded, opened, picture, run, sample
from PIL import Image

from imgsrv.errors import ImgsrvError, TooManyPixels, Undecodable
from imgsrv.imaging.formats import WRITTEN
from imgsrv.imaging.model.limits import Limits


def still(name: str) -> bytes:
    return encoded(sample("chelsea.png").resize((61, 45)), WRITTEN[name].pillow)


@pytest.mark.parametrize("name", [name for name in WRITTEN if name != "jp2"])
def test_a_file_cut_in_half_is_undecodable(name: str) -> None:
    data = still(name)
    with pytest.raises(Undecodable) as caught:
        run(data[: len(data) // 2])

    assert caught.value.format == name
    assert caught.value.reason
    assert "check that the file is complete" in str(caught.value)


@pytest.mark.parametrize("name", WRITTEN)
def test_a_file_that_ends_after_its_signature_is_undecodable(name: str) -> None:
    head = still(name)[:32] if name == "avif" else still(name)[:12]
    with pytest.raises(Undecodable):
        run(head)


def test_a_cut_animation_is_undecodable() -> None:
    data = animation([sample("chelsea.png").rotate(turn) for turn in (0, 90)], "GIF", duration=50)
    with pytest.raises(Undecodable):
        run(data[: len(data) * 3 // 4])


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", WRITTEN)
def test_changed_bytes_give_a_picture_or_an_error_of_ours(name: str, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  repeatable, not secret
    good = still(name)
    limits = Limits(max_pixels=1_000_000)
    for _ in range(25):
        data = bytearray(good)
        for _ in range(chance.choice((1, 2, 6))):
            data[chance.randrange(min(len(data), 500))] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
        try:
            body = run(bytes(data), "resize:width=20", limits, format="png", metadata="keep")
        except ImgsrvError:
            continue
        assert opened(body).width <= 20


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", [name for name, form in WRITTEN.items() if form.reads_parts])
def test_changed_and_cut_bytes_give_a_picture_or_an_error_of_ours_with_accept(name: str, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  repeatable, not secret
    good = still(name)
    for _ in range(25):
        data = bytearray(good[: chance.randrange(len(good) // 4, len(good))])
        for _ in range(chance.choice((0, 1, 3))):
            data[chance.randrange(min(len(data), 500))] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
        try:
            body = run(bytes(data), "resize:width=20", Limits(max_pixels=1_000_000), format="png", broken="accept")
        except ImgsrvError:
            continue
        assert opened(body).width <= 20


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("hostile/65536-wide.png", TooManyPixels),
        ("hostile/png-268mp-in-33kb.png", TooManyPixels),
        ("hostile/jpeg-280mp-in-1mb.jpg", TooManyPixels),
        ("hostile/corrupt-header.jpg", Undecodable),
        ("hostile/truncated-square.jpg", Undecodable),
        ("hostile/truncated.jpg", Undecodable),
        ("hostile/truncated.png", Undecodable),
    ],
)
def test_hostile_files_of_the_corpus_are_refused(name: str, error: type[ImgsrvError]) -> None:
    with pytest.raises(error):
        run(corpus(name), "resize:width=100")


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("hostile/broken-exif-tag.jpg", (1, 1)),
        ("hostile/crash_test.gif", (100, 67)),
        ("hostile/invalid_quantization.jpg", (100, 133)),
        ("hostile/jpeg-99mp-in-1mb.jpg", (100, 107)),
        ("hostile/weird_normalize_error.jpg", (100, 150)),
    ],
)
@pytest.mark.parametrize("metadata", ["strip", "keep"])
def test_slightly_broken_files_of_the_corpus_are_read(name: str, size: tuple[int, int], metadata: str) -> None:
    assert opened(run(corpus(name), "resize:width=100", metadata=metadata)).size == size


def test_a_picture_is_read_from_a_memoryview() -> None:
    data = memoryview(encoded(picture("RG/BY")))
    assert opened(run(data, "flip")).size == (2, 2)  # type: ignore[arg-type]  # Data is wider than bytes


def test_an_empty_picture_cannot_be_made_of_any_mode() -> None:
    with pytest.raises(Undecodable):
        run(b"BM" + bytes(60))


def test_a_tiff_of_a_mode_that_is_not_read_is_undecodable() -> None:
    data = encoded(Image.new("RGB", (4, 4)), "TIFF", compression="raw")
    broken = data.replace(b"\x06\x01\x03\x00\x01\x00\x00\x00\x02", b"\x06\x01\x03\x00\x01\x00\x00\x00\x63")
    with pytest.raises(Undecodable):
        run(broken)
