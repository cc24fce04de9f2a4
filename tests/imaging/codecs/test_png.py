"""PNGs that libdeflate packs and unpacks, compared with Pillow, which reads and writes every kind itself."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from pictures import encoded, opened, run, sample
from PIL import Image, PngImagePlugin

from imgsrv.errors import Undecodable
from imgsrv.imaging.codecs.encode import encode
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.formats import png
from imgsrv.imaging.formats.png import read_pixels
from imgsrv.imaging.model.picture import Picture
from imgsrv.imaging.pixels import strips

SIZES = [(1, 1), (1, 7), (3, 1), (33, 5), (150, 100)]


def unfiltered(image: Image.Image) -> bytes:
    """A PNG whose rows have no filter, as sharp and libvips write them."""
    rows = np.asarray(image).reshape(image.height, -1)
    packed = zlib.compress(np.pad(rows, ((0, 0), (1, 0))).tobytes())
    file = io.BytesIO()
    image.save(file, "PNG")
    whole = file.getvalue()
    # In two chunks, which belong together.
    chunks = b"".join(_chunk(b"IDAT", part) for part in (packed[:11], packed[11:]))
    return whole[:33] + chunks + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def picture_of(mode: str, size: tuple[int, int]) -> Image.Image:
    return sample("chelsea.png").convert(mode).resize(size)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("number", range(4))
def test_every_filter_keeps_every_pixel(
    monkeypatch: pytest.MonkeyPatch, number: int, mode: str, size: tuple[int, int]
) -> None:
    monkeypatch.setattr(png, "_best_filter", lambda *_: number)
    image, file = picture_of(mode, size), io.BytesIO()
    png.write(image, file, 6)
    with Image.open(io.BytesIO(file.getvalue())) as got:
        got.load()
        assert (got.mode, got.tobytes()) == (mode, image.tobytes())


@pytest.mark.parametrize("name", ["coffee.jpg", "chelsea.png", "astronaut.jpg", "rocket.jpg"])
def test_the_filter_is_nearly_the_best_for_a_photograph(name: str) -> None:
    frame = sample(name, "RGB").resize((300, 200))
    sizes = [len(zlib.compress(png._rows(frame, number).tobytes(), 6)) for number in range(4)]
    assert sizes[png._best_filter(frame)] < 1.02 * min(sizes)


@pytest.mark.parametrize("size", [(1, 1), (5, 1), (1, 7), (3, 2), (4, 3), (2, 25)])
def test_a_picture_of_few_rows_is_written_as_it_is(size: tuple[int, int]) -> None:
    frame = sample("chelsea.png", "RGB").resize(size)
    file = io.BytesIO()
    png.write(frame, file, 6)
    assert opened(file.getvalue()).tobytes() == frame.tobytes()


def test_noise_gets_no_filter_and_a_photograph_gets_one() -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 2, (64, 64), np.uint8) * 255)
    for image, numbers in ((noise, {0}), (sample("chelsea.png"), {1, 2, 3})):
        file = io.BytesIO()
        png.write(image, file, 6)
        first = zlib.decompressobj().decompress(file.getvalue()[41:], 1)
        assert first[0] in numbers


def test_a_photograph_is_no_larger_than_pillows() -> None:
    image = sample("chelsea.png")
    assert len(run(encoded(image), format="png")) < 1.02 * len(encoded(image))


@pytest.mark.parametrize(("lower", "higher"), [(0, 3), (3, 6), (6, 9)])
def test_more_effort_gives_no_more_bytes(lower: int, higher: int) -> None:
    data = encoded(sample("chelsea.png"))
    assert len(run(data, format="png", effort=higher)) <= len(run(data, format="png", effort=lower))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_rows_without_a_filter_are_read_as_pillow_reads_them(mode: str, size: tuple[int, int]) -> None:
    image = picture_of(mode, size)
    with Image.open(io.BytesIO(unfiltered(image))) as file:
        got = read_pixels(file)
    assert got is not None
    assert (got.mode, got.size, got.tobytes()) == (mode, size, image.tobytes())


def saved(mode: str, **options: object) -> bytes:
    file = io.BytesIO()
    image = picture_of("L", (20, 10)).convert(mode) if mode in ("P", "I;16", "LA") else picture_of(mode, (20, 10))
    image.save(file, "PNG", **options)
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(saved("RGB"), id="filtered"),
        pytest.param(saved("P"), id="palette"),
        pytest.param(saved("LA"), id="grey-with-alpha"),
        pytest.param(unfiltered(picture_of("RGB", (20, 10)))[:-30], id="truncated"),
    ],
)
def test_unusual_pngs_are_left_to_pillow(data: bytes) -> None:
    with Image.open(io.BytesIO(data)) as file:
        assert read_pixels(file) is None


def test_a_transparent_colour_is_left_to_pillow() -> None:
    image = Image.new("RGB", (9, 9), "red")
    file = io.BytesIO()
    image.save(file, "PNG", transparency=(255, 0, 0))
    assert opened(run(file.getvalue())).convert("RGBA").getpixel((4, 4)) == (255, 0, 0, 0)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_a_picture_written_in_many_bands_is_the_same_as_in_one(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    image, files = picture_of(mode, (150, 100)), []
    for most in (10**6, 1000):
        monkeypatch.setattr(strips, "BAND_PIXELS", most)
        files.append(io.BytesIO())
        png.write(image, files[-1], 6)
    assert files[0].getvalue() == files[1].getvalue()


def test_a_large_picture_is_written_by_libdeflate_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png, "MOST_BYTES", 1000)
    image, file = picture_of("RGB", (60, 40)), io.BytesIO()
    encode(Picture((image,), "png"), "png", Output(format="png"), file)
    small = io.BytesIO()
    png.write(image, small, png.DEFAULT_LEVEL)

    assert file.getvalue() == small.getvalue()


def test_many_pixels_are_written_in_several_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png, "CHUNK_BYTES", 100)
    image, file = picture_of("RGB", (60, 40)), io.BytesIO()
    png.write(image, file, 6)

    assert file.getvalue().count(b"IDAT") > 10
    assert opened(file.getvalue()).tobytes() == image.tobytes()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(saved("RGB"), id="filtered"),
        pytest.param(unfiltered(picture_of("RGB", (20, 10))), id="not-filtered"),
        pytest.param(saved("P"), id="palette"),
        pytest.param(saved("I;16"), id="16-bits"),
    ],
)
def test_pixels_with_a_wrong_checksum_are_refused(data: bytes) -> None:
    end = data.index(b"IEND") - 4
    changed = data[: end - 4] + bytes(4) + data[end:]
    assert opened(data).size == opened(changed).size
    with pytest.raises(Undecodable, match="the checksum of its pixels is wrong"):
        run(changed)


@pytest.mark.parametrize("height", [29, 31])
def test_a_wrong_number_of_rows_is_left_to_pillow(height: int) -> None:
    whole = unfiltered(picture_of("RGB", (40, 30)))
    header = whole[12:20] + height.to_bytes(4, "big") + whole[24:29]
    data = whole[:12] + header + zlib.crc32(header).to_bytes(4, "big") + whole[33:]
    with Image.open(io.BytesIO(data)) as file:
        assert file.size == (40, height)
        assert read_pixels(file) is None


def test_metadata_still_reaches_a_png() -> None:
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta/>")
    file = io.BytesIO()
    sample("chelsea.png").resize((30, 20)).save(file, "PNG", pnginfo=text)
    assert opened(run(file.getvalue(), metadata="keep")).info["xmp"] == b"<x:xmpmeta/>"
