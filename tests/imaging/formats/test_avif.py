"""What an AVIF says of its picture is read, and more than 8 bits of it are kept."""

from __future__ import annotations

import struct

import imagecodecs
import numpy as np
import pytest
from boxed import boxed_avif, item_box
from numpy.typing import NDArray
from pictures import animation, encoded, levels, picture, result, run
from PIL import Image

from imgsrv.imaging.codecs.decode import DecodePlan, Header, decode, read_header
from imgsrv.imaging.model.cicp import Cicp
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.pixels.sixteen_bit import DeepFrame

SIZE = (64, 48)
ACROSS, DOWN = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))


def ramps(depth: int, channels: int) -> NDArray[np.uint16]:
    """Ramps in each channel, of which the last one is alpha where there are four."""
    most = (1 << depth) - 1
    planes = (ACROSS * most // 63, DOWN * most // 47, (ACROSS + DOWN) * most // 110, (DOWN[::-1] + 1) * most // 48)
    return np.dstack(planes[:channels]).astype(np.uint16)


def deep_avif(pixels: NDArray[np.uint16], depth: int) -> bytes:
    """A lossless file."""
    shown = pixels if pixels.shape[2] > 1 else pixels[..., 0]
    return bytes(imagecodecs.avif_encode(shown, level=100, bitspersample=depth, numthreads=1))


def header_of(data: bytes) -> Header:
    return read_header(data, Limits())


def deep(data: bytes) -> Frame:
    return decode(header_of(data), DecodePlan(is_deep=True), Limits()).frames[0]


def stream_of(image: Image.Image) -> bytes:
    """The bitstream of an AVIF of the image."""
    data = encoded(image, "AVIF", quality=100, subsampling="4:4:4", speed=10, max_threads=1)
    return data[data.index(b"mdat") + 4 :]


def with_box(box: bytes) -> bytes:
    """A picture of 10 bits with one more property."""
    data = deep_avif(ramps(10, 3), 10)
    flags = data[data.index(b"av1C") + 4 :][:4]
    return boxed_avif(data[data.index(b"mdat") + 4 :], SIZE, further=(box,), flags=flags)


# ---- colours -----------------------------------------------------------------------------------------


def test_the_colours_of_the_box_are_known() -> None:
    data = imagecodecs.avif_encode(ramps(8, 3).astype(np.uint8), level=90, primaries=12, transfer=16, matrix=6)
    assert header_of(bytes(data)).image.info["cicp"] == Cicp(12, 16, 6, is_full_range=True)


@pytest.mark.parametrize("depth", [8, 10, 12])
def test_the_colours_of_the_bitstream_are_known_where_no_box_says_them(depth: int) -> None:
    pixels = ramps(depth, 3).astype(np.uint8 if depth == 8 else np.uint16)
    data = imagecodecs.avif_encode(pixels, level=90, bitspersample=depth, primaries=9, transfer=18, matrix=9)
    assert header_of(bytes(data).replace(b"colr", b"free")).image.info["cicp"] == Cicp(9, 18, 9, is_full_range=True)


def test_no_colours_are_made_up() -> None:
    image = header_of(boxed_avif(stream_of(picture("RG/BY")), (2, 2))).image
    assert image.info.get("cicp", Cicp()).primaries in (1, 2)


def test_a_file_whose_own_brand_is_another_one_is_read() -> None:
    data = boxed_avif(stream_of(picture("RG/BY")), (2, 2)).replace(
        b"ftypavif\0\0\0\0avifmif1", b"ftypmif1\0\0\0\0avifmif1"
    )
    assert header_of(data).size == (2, 2)


# ---- the clean aperture ------------------------------------------------------------------------------


def aperture(width: int, height: int, left: tuple[int, int] = (0, 1), top: tuple[int, int] = (0, 1)) -> bytes:
    """The box of a clean aperture; left and top: how far its centre is from that of the picture, as a fraction."""
    return item_box(b"clap", struct.pack(">IIIIiIiI", width, 1, height, 1, *left, *top))


@pytest.mark.parametrize(
    ("box", "edges"),
    [
        pytest.param(aperture(40, 20), (12, 14, 52, 34), id="in-the-middle"),
        pytest.param(aperture(40, 20, (-12, 1), (-28, 2)), (0, 0, 40, 20), id="top-left"),
        pytest.param(aperture(41, 21, (23, 2), (27, 2)), (23, 27, 64, 48), id="bottom-right-of-odd-sides"),
        pytest.param(aperture(41, 21), (0, 0, *SIZE), id="between-pixels"),
        pytest.param(aperture(40, 20, (13, 1)), (0, 0, *SIZE), id="beyond-the-edge"),
        pytest.param(aperture(40, 20, (1, 0)), (0, 0, *SIZE), id="divided-by-nothing"),
        pytest.param(aperture(0, 20), (0, 0, *SIZE), id="empty"),
    ],
)
@pytest.mark.parametrize("is_deep", [False, True])
def test_a_clean_aperture_in_whole_pixels_is_cut_out(box: bytes, edges: tuple[int, ...], is_deep: bool) -> None:  # noqa: FBT001
    left, top, right, bottom = edges
    if is_deep:
        data = with_box(box)
        frame = deep(data)
        assert isinstance(frame, DeepFrame)
        got, wanted = frame.pixels.astype(np.float64), ramps(10, 3)[top:bottom, left:right] * (65535 / 1023)
    else:
        pixels = ramps(8, 3).astype(np.uint8)
        data = boxed_avif(stream_of(Image.fromarray(pixels)), SIZE, further=(box,))
        got, wanted = levels(result(data)), pixels[top:bottom, left:right].astype(np.float64)
    assert header_of(data).size == (right - left, bottom - top)
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() <= (0.5 if is_deep else 4)


# ---- how often it is played --------------------------------------------------------------------------


def repeating(count: int | None) -> bytes:
    """An animation of 2 frames of 40 ms that is played so often; None: for ever, which is what Pillow writes."""
    data = animation([picture("R").resize((16, 16)), picture("G").resize((16, 16))], "AVIF", duration=40, speed=10)
    if count is None:
        return data
    at = data.index(b"tkhd") + 8 + 8 + 8 + 8
    assert data[at : at + 8] == b"\xff" * 8
    once = int.from_bytes(data[data.index(b"elst") + 12 :][:8], "big")
    return data[:at] + (count * once).to_bytes(8, "big") + data[at + 8 :]


@pytest.mark.parametrize(("count", "plays"), [(None, 0), (1, 1), (3, 3)])
def test_the_edit_list_says_how_often_an_animation_is_played(count: int | None, plays: int) -> None:
    assert header_of(repeating(count)).image.info["loop"] == plays


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("plays", [0, 1, 3])
def test_the_number_of_plays_is_written(plays: int, mode: str) -> None:
    frames = [picture(row, mode).resize((16, 16)) for row in ("R.", "G.")]
    data = run(animation(frames, "PNG", duration=40, loop=plays), format="avif")
    assert header_of(data).image.info["loop"] == plays
    once = int.from_bytes(data[data.index(b"elst") + 12 :][:8], "big")
    at = data.index(b"mvhd") + 28
    assert int.from_bytes(data[at : at + 8], "big") == (plays * once or (1 << 64) - 1)


# ---- more than 8 bits --------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("depth", [10, 12])
def test_all_bits_are_kept(depth: int, channels: int) -> None:
    pixels = ramps(depth, channels)
    data = deep_avif(pixels, depth)
    frame = deep(data)
    assert isinstance(frame, DeepFrame)
    assert header_of(data).form.bit_depth(data, header_of(data).image) == depth
    assert (frame.pixels == np.rint(pixels * (65535 / ((1 << depth) - 1)))).all()


def test_grey_of_10_bits_is_grey_of_16() -> None:
    data = deep_avif(ramps(10, 1), 10)
    image = header_of(data).image
    frame = header_of(data).form.read_pixels(image, True)
    assert frame is not None
    assert frame.mode == "I;16"
    assert (np.asarray(frame) == np.rint(ramps(10, 1)[..., 0] * (65535 / 1023))).all()


def test_an_animation_of_10_bits_is_read_by_pillow() -> None:
    data = animation([picture("R").resize((16, 16)), picture("G").resize((16, 16))], "AVIF", duration=40, speed=10)
    header = header_of(data)
    assert header.form.read_pixels(header.image, True) is None


def test_alpha_that_is_multiplied_into_the_colours_is_divided_out() -> None:
    image = Image.new("RGBA", (16, 16), (200, 100, 50, 128))
    data = encoded(image, "AVIF", quality=100, subsampling="4:4:4", alpha_premultiplied=True)
    assert np.abs(levels(result(data)) - levels(image)).max() <= 4


def test_a_turned_picture_of_10_bits_is_upright() -> None:
    data = with_box(item_box(b"irot", b"\1"))
    frame = deep(data)
    assert isinstance(frame, DeepFrame)
    assert (frame.pixels == np.rot90(np.rint(ramps(10, 3) * (65535 / 1023)))).all()
