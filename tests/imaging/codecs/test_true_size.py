"""No file takes more pixels than the limit because its container says a small size and its stream a large one."""

from __future__ import annotations

import base64
import io
import os
import struct
import zlib
from collections.abc import Callable

import pytest
from boxed import boxed_avif, icon, item_box
from pictures import animation, encoded, opened, picture, run
from PIL import Image

from imgsrv.errors import BadPicture, ImgsrvError, TooManyPixels, Undecodable
from imgsrv.imaging.codecs.header_check import check_header
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.codecs.true_size import check_true_size
from imgsrv.imaging.formats import KNOWN
from imgsrv.imaging.info import describe_picture
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.pipelines.pipeline import parse_pipeline
from imgsrv.imaging.process import process
from imgsrv.jobs.archive import Zip
from imgsrv.jobs.batch import process_batch
from imgsrv.jobs.variants import Variant

LIMITS = Limits(max_pixels=10_000)

SMALL, LARGE = (8, 8), (400, 300)
"""Sizes below and above the limit."""

WHITE = Image.new("RGB", LARGE, "white")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(size: tuple[int, int]) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0))


def png_pixels(size: tuple[int, int]) -> bytes:
    return zlib.compress(bytes(size[1] * (1 + 3 * size[0])))


PNG, PNG_END = b"\x89PNG\r\n\x1a\n", chunk(b"IEND", b"")


def png_without_pixels() -> bytes:
    return PNG + png_header(LARGE) + chunk(b"IDAT", b"") + PNG_END


def bitmap_without_pixels(bits: int) -> bytes:
    return struct.pack("<IiiHHIIiiII", 40, LARGE[0], 2 * LARGE[1], 1, bits, 0, 0, 0, 0, 0, 0)


def two_png_headers() -> bytes:
    return PNG + png_header(SMALL) + png_header(LARGE) + chunk(b"IDAT", png_pixels(LARGE)) + PNG_END


def png_frame_larger_than_the_picture() -> bytes:
    control = [
        chunk(b"fcTL", struct.pack(">IIIIIHHBB", at, *size, 0, 0, 1, 10, 0, 0)) for at, size in ((0, SMALL), (1, LARGE))
    ]
    first = control[0] + chunk(b"IDAT", png_pixels(SMALL))
    second = control[1] + chunk(b"fdAT", struct.pack(">I", 2) + png_pixels(LARGE))
    return PNG + png_header(SMALL) + chunk(b"acTL", struct.pack(">II", 2, 0)) + first + second + PNG_END


def two_jpeg_headers(first: tuple[int, int]) -> bytes:
    data = encoded(WHITE, "JPEG")
    at = data.index(b"\xff\xc0")
    end = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
    own = data[at:end]
    other = own[:5] + struct.pack(">HH", *reversed(SMALL)) + own[9:]
    return data[:at] + (other + own if first == SMALL else own + other) + data[end:]


def jpeg_in_a_small_tiff() -> bytes:
    stream = encoded(WHITE, "JPEG", subsampling="4:2:0")
    tags = [(256, 8), (257, 8), (258, 8), (259, 7), (262, 6), (273, 0), (277, 3), (278, 8), (279, len(stream))]
    tags[5] = (273, 8 + 2 + 12 * len(tags) + 4)
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + stream


def riff(*chunks: bytes) -> bytes:
    content = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(content)) + content


def riff_chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + bytes(len(data) & 1)


def three_bytes(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(3, "little") for number in numbers)


def webp_canvas(size: tuple[int, int], flags: int) -> bytes:
    return riff_chunk(b"VP8X", bytes([flags, 0, 0, 0]) + three_bytes(size[0] - 1, size[1] - 1))


def webp_in_a_small_canvas() -> bytes:
    return riff(webp_canvas(SMALL, 0), encoded(WHITE, "WEBP")[12:])


def webp_frame_in_a_small_canvas(said: tuple[int, int]) -> bytes:
    head = three_bytes(0, 0, said[0] - 1, said[1] - 1, 100) + b"\0"
    frame = riff_chunk(b"ANMF", head + encoded(WHITE, "WEBP")[12:])
    return riff(webp_canvas(SMALL, 2), riff_chunk(b"ANIM", bytes(6)), frame, frame)


def gif_frame(size: tuple[int, int], at: tuple[int, int] = (0, 0)) -> bytes:
    screen = b"GIF89a" + struct.pack("<HH", *SMALL) + b"\x80\0\0" + b"\0\0\0\xff\xff\xff"
    return screen + b"," + struct.pack("<HHHH", *at, *size) + b"\0\x02\x02\x44\x01\0;"


def with_sizes(data: bytes, box: bytes, size: tuple[int, int], skipped: int = 0) -> bytes:
    """The file with another size in every box of that type.  skipped: bytes of the box before the size."""
    parts = data.split(box)
    packed = struct.pack(">II", *size)
    return box.join([parts[0], *(part[:skipped] + packed + part[skipped + 8 :] for part in parts[1:])])


def avif(mode: str = "RGB") -> bytes:
    return encoded(Image.new(mode, LARGE, "white"), "AVIF", speed=10, max_threads=1)


def avif_stream(size: tuple[int, int]) -> bytes:
    """The bitstream of an AVIF."""
    data = encoded(Image.new("RGB", size, "red"), "AVIF", speed=10, max_threads=1)
    return data[data.index(b"mdat") + 4 :]


def small_avif_sequence() -> bytes:
    data = animation([WHITE, Image.new("RGB", LARGE, "red")], "AVIF", speed=10, max_threads=1, duration=50)
    shown = struct.pack(">II", LARGE[0] << 16, LARGE[1] << 16)
    assert shown in data
    return with_sizes(data, b"ispe", SMALL, 4).replace(shown, struct.pack(">II", SMALL[0] << 16, SMALL[1] << 16))


def heic() -> bytes:
    pytest.importorskip("pillow_heif")
    return with_sizes(encoded(WHITE, "HEIF"), b"ispe", SMALL, 4)


def jxl(*cuts: int) -> bytes:
    """A JPEG XL whose codestream is cut into boxes at these positions."""
    pytest.importorskip("pillow_jxl")
    stream = encoded(WHITE, "JXL", effort=1)
    pieces = [stream[start:end] for start, end in zip((0, *cuts), (*cuts, len(stream)), strict=True)]
    numbered = [
        item_box(b"jxlp", struct.pack(">I", at | (at == len(pieces) - 1) << 31) + piece)
        for at, piece in enumerate(pieces)
    ]
    return b"\0\0\0\x0cJXL \r\n\x87\n" + item_box(b"ftyp", b"jxl \0\0\0\0jxl ") + b"".join(numbered)


def svg(size: tuple[int, int] = LARGE) -> bytes:
    pytest.importorskip("resvg")
    embedded = base64.b64encode(encoded(Image.new("RGB", size, "red"))).decode()
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8">'
        f'<image width="8" height="8" href="data:image/png;base64,{embedded}"/></svg>'
    ).encode()


TOO_LARGE: dict[str, Callable[[], bytes]] = {
    "ico-of-a-png": lambda: icon(png_without_pixels()),
    "ico-of-a-bitmap": lambda: icon(bitmap_without_pixels(24)),
    "ico-of-a-bitmap-with-alpha": lambda: icon(bitmap_without_pixels(32)),
    "cursor-like-ico": lambda: icon(bitmap_without_pixels(8), planes=4, bits=8),
    "jxl-cut-in-its-size": lambda: jxl(3),
    "jxl-cut-four-times": lambda: jxl(1, 2, 3, 4),
    "avif": lambda: with_sizes(avif(), b"ispe", SMALL, 4),
    "jp2": lambda: with_sizes(encoded(WHITE, "JPEG2000"), b"ihdr", SMALL),
    "avif-of-three-parts": lambda: boxed_avif(avif_stream(LARGE), SMALL, cuts=(20, 30)),
    "avif-in-the-item-data": lambda: boxed_avif(avif_stream(LARGE), SMALL, in_item_data=True),
    "avif-with-large-alpha": lambda: boxed_avif(avif_stream(SMALL), SMALL, alpha=avif_stream(LARGE)),
    "avif-grid": lambda: boxed_avif(avif_stream(LARGE), SMALL, columns=2),
    "avif-sequence": small_avif_sequence,
    "webp-animation-of-a-large-canvas": lambda: riff(webp_canvas(LARGE, 2), riff_chunk(b"ANIM", bytes(6))),
    "svg-with-a-picture": svg,
    "png-of-two-headers": two_png_headers,
    "jpeg-of-two-headers": lambda: two_jpeg_headers(SMALL),
    "gif-frame-larger-than-the-screen": lambda: gif_frame(LARGE),
    "gif-frame-outside-of-the-screen": lambda: gif_frame(SMALL, LARGE),
}
"""Files that are refused because of their pixels."""

BROKEN: dict[str, Callable[[], bytes]] = {
    "heic": heic,
    "jpeg-of-two-headers-the-large-one-first": lambda: two_jpeg_headers(LARGE),
    "tiff-of-a-larger-jpeg": jpeg_in_a_small_tiff,
    "webp-in-a-small-canvas": webp_in_a_small_canvas,
    "webp-frame-in-a-small-canvas": lambda: webp_frame_in_a_small_canvas(LARGE),
    "webp-frame-larger-than-it-says": lambda: webp_frame_in_a_small_canvas(SMALL),
}
"""Files that their decoders refuse before they decode the large pixels."""


def by_process(data: bytes) -> object:
    return run(data, limits=LIMITS, format="png")


def by_info(data: bytes) -> object:
    return describe_picture(data, LIMITS)


def by_measure(data: bytes) -> object:
    return describe_picture(data, LIMITS, ("blurhash",))


def by_overlay(data: bytes) -> object:
    pipeline = parse_pipeline("watermark")
    return process(encoded(picture("RG/BY")), pipeline, Output(), LIMITS, {"watermark": data})


def by_batch(data: bytes) -> object:
    variant = Variant("one", parse_pipeline(""), Output(format="png"))
    return process_batch(Zip(), data, [variant], LIMITS)


@pytest.mark.parametrize("read", [by_process, by_info, by_overlay, by_batch])
@pytest.mark.parametrize("name", list(TOO_LARGE))
def test_a_stream_over_the_limit_is_refused_whatever_the_container_says(
    name: str, read: Callable[[bytes], object]
) -> None:
    data = TOO_LARGE[name]()

    with pytest.raises(TooManyPixels) as caught:
        read(data)

    assert caught.value.width * caught.value.height > LIMITS.max_pixels


@pytest.mark.parametrize("read", [by_process, by_measure, by_overlay, by_batch])
@pytest.mark.parametrize("name", list(BROKEN))
def test_a_decoder_refuses_a_stream_that_is_larger_than_its_container(
    name: str, read: Callable[[bytes], object]
) -> None:
    data = BROKEN[name]()

    with pytest.raises(Undecodable):
        read(data)


def test_the_second_frame_of_an_animated_png_that_is_larger_than_the_picture_is_not_read() -> None:
    data = png_frame_larger_than_the_picture()

    # Its default image is, which is within the limit.
    assert opened(run(data, limits=Limits(max_pixels=400))).size == SMALL


def test_a_page_over_the_limit_is_refused_when_it_is_asked_for() -> None:
    pages = encoded(Image.new("RGB", SMALL), "TIFF", save_all=True, append_images=[WHITE])

    assert opened(run(pages, limits=LIMITS, format="png")).size == SMALL
    with pytest.raises(TooManyPixels):
        run(pages, limits=LIMITS, page=2, format="png")


@pytest.mark.parametrize("name", ["avif", "avif-of-three-parts", "avif-grid", "avif-sequence", "avif-with-large-alpha"])
def test_a_stream_larger_than_its_container_is_refused_within_the_limit_too(name: str) -> None:
    with pytest.raises(Undecodable, match="its header says 8×8, and its pixels are 400×300"):
        run(TOO_LARGE[name]())


@pytest.mark.parametrize("name", [*TOO_LARGE, *BROKEN])
def test_the_header_check_refuses_only_what_an_engine_refuses(name: str) -> None:
    data = {**TOO_LARGE, **BROKEN}[name]()
    file = os.memfd_create("picture")
    os.write(file, data)
    refused = None
    try:
        check_header(file, 0, len(data), LIMITS)
    except ImgsrvError as error:
        refused = str(error)
    os.close(file)

    with pytest.raises(BadPicture) as caught:
        by_process(data)

    assert refused in (None, str(caught.value))


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: icon(encoded(WHITE)), id="ico"),
        pytest.param(jxl, id="jxl-in-one-box"),
        pytest.param(lambda: jxl(3), id="jxl-in-two-boxes"),
        pytest.param(lambda: jxl(1, 2, 3, 4), id="jxl-in-five-boxes"),
        pytest.param(avif, id="avif"),
        pytest.param(lambda: avif("RGBA"), id="avif-with-alpha"),
        pytest.param(lambda: boxed_avif(avif_stream(LARGE), LARGE), id="avif-in-one-part"),
        pytest.param(lambda: boxed_avif(avif_stream(LARGE), LARGE, cuts=(20, 30)), id="avif-in-three-parts"),
        pytest.param(lambda: boxed_avif(avif_stream(LARGE), LARGE, in_item_data=True), id="avif-in-the-item-data"),
    ],
)
def test_a_good_file_of_the_same_structure_is_read(make: Callable[[], bytes]) -> None:
    data = make()

    assert opened(run(data, format="png")).size == LARGE
    assert [describe_picture(data, Limits())[side] for side in ("width", "height")] == list(LARGE)


def test_a_good_grid_is_read() -> None:
    data = boxed_avif(avif_stream(LARGE), LARGE, columns=2)

    assert opened(run(data, format="png")).size == (2 * LARGE[0], LARGE[1])


def test_a_good_drawing_with_a_picture_is_drawn() -> None:
    assert opened(run(svg(SMALL), format="png")).convert("RGB").getpixel((4, 4)) == (255, 0, 0)


def test_a_drawing_of_too_many_pictures_is_refused() -> None:
    pytest.importorskip("resvg")
    image = '<image href="data:image/png;base64,{:06}AA"/>'
    data = '<svg xmlns="http://www.w3.org/2000/svg">' + "".join(image.format(at) for at in range(1001)) + "</svg>"

    with pytest.raises(Undecodable, match="more than 1,000 pictures"):
        run(data.encode(), format="png")


def tiles(columns: int, shown: tuple[int, int]) -> bytes:
    """The boxes of a grid of 8×8 tiles, which shows only a part of them."""
    size = struct.pack(">II", columns * SMALL[0], SMALL[1])
    return boxed_avif(b"", SMALL, columns=columns).replace(size, struct.pack(">II", *shown))


def check_heic(data: bytes, most: int) -> None:
    check_true_size(KNOWN["heic"], io.BytesIO(data), Image.new("RGB", SMALL), Limits(max_pixels=most))


def test_a_heic_of_more_tiles_than_its_grid_shows_is_refused() -> None:
    with pytest.raises(Undecodable, match="its header says 8×8, and its pixels are 8×320"):
        check_heic(tiles(40, SMALL), 10_000)
    with pytest.raises(TooManyPixels):
        check_heic(tiles(40, SMALL), 2000)


@pytest.mark.parametrize("shown", [(320, 8), (313, 1), (320, 4)])
def test_a_grid_whose_last_tiles_extend_beyond_its_edge_is_read(shown: tuple[int, int]) -> None:
    check_heic(tiles(40, shown), 320 * 8)


def test_pictures_that_are_put_together_from_themselves_are_refused() -> None:
    own, other = struct.pack(">HHHH", 1, 2, 2, 3), struct.pack(">HHHH", 1, 2, 1, 1)
    data = tiles(2, (16, 8))
    assert own in data

    with pytest.raises(Undecodable, match="put together from one another too often"):
        check_heic(data.replace(own, other), 10_000)
