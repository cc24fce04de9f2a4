"""Small requests that ask for much, made by code: none holds more than 64 KB, and none harms other software."""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from wire import chunked, head, post

MOST_BYTES = 64 << 10


def flat(form: str, side: int, **options: object) -> bytes:
    """A picture of one colour: many pixels in few bytes."""
    file = io.BytesIO()
    Image.new("RGB", (side, side), (40, 90, 160)).save(file, form, **options)
    return file.getvalue()


def noise(side: int) -> bytes:
    """A picture that no encoder makes small, as PNG."""
    file = io.BytesIO()
    levels = np.random.default_rng(1).integers(0, 256, (side, side, 3), np.uint8)
    Image.fromarray(levels).save(file, "PNG")
    return file.getvalue()


def animated(side: int, frames: int) -> bytes:
    """A GIF of frames that differ by one level."""
    file = io.BytesIO()
    pictures = [Image.new("L", (side, side), number) for number in range(frames)]
    pictures[0].save(file, "GIF", save_all=True, append_images=pictures[1:], duration=50, loop=0)
    return file.getvalue()


def drawing(width: str, inner: str = "") -> bytes:
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="10">{inner}</svg>'.encode()


def described(xmp: bytes) -> bytes:
    """A small PNG with this XMP."""
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", xmp.decode("latin-1"))
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def form(target: str, parts: dict[str, bytes], boundary: str = "edge") -> bytes:
    """A multipart request."""
    body = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n\r\n'.encode()
        + data
        + b"\r\n"
        for name, data in parts.items()
    )
    whole = body + f"--{boundary}--\r\n".encode()
    return post(target, whole, f"Content-Type: multipart/form-data; boundary={boundary}")


def pipeline(steps: str, **parameters: object) -> str:
    """The target of a request with these steps."""
    return f"/pipeline?ops={steps}" + "".join(f"&{name}={value}" for name, value in parameters.items())


GROWN = "resize:width={0},height={0},enlarge=true/"
"""Makes many pixels of a small picture."""


def small_requests() -> Iterator[tuple[str, bytes]]:
    """The name and the bytes of each request."""
    yield from _to_readers()
    yield from _to_decoders()
    yield from _to_own_readers()
    yield from _to_operations()
    yield from _to_encoders()


def _to_readers() -> Iterator[tuple[str, bytes]]:
    tiny = flat("PNG", 16)
    yield "SVG whose width is 60,000 digits and a sign", post("/resize?width=20", drawing("9" * 60_000 + "!"))
    yield "SVG whose width is blanks and a letter", post("/info", drawing(" " * 60_000 + "x"))
    for what, xmp in (("blanks", b" " * 60_000), ("elements without an end", b"<rdf:a tiff:" * 5_000)):
        yield f"XMP of {what}, metadata=keep", post("/resize?width=4&metadata=keep", described(xmp))
    for what, table in (
        ("blank lines", b"LUT_3D_SIZE 33\n" + b" \n" * 30_000),
        ("5,000 digits", b"LUT_3D_SIZE " + b"9" * 5_000),
    ):
        yield f"cube file of {what}", form("/lut?part=a", {"file": tiny, "a": table})
    yield "multipart boundary of 300 letters", form("/resize?width=4", {"file": tiny}, "b" * 300)
    yield "pipeline of 30,000 slashes", post(pipeline("/" * 30_000), tiny)
    yield "colour of 30,000 digits", post(pipeline("tint:colour=" + "f" * 30_000), tiny)
    yield "Accept of 3,000 types", post("/resize?width=4&format=auto", tiny, "Accept: " + "a/b;q=0.1," * 2_900)
    yield "10,000 chunks of one byte", head("/resize?width=4", "Transfer-Encoding: chunked") + chunked([b"x"] * 10_000)


def _to_decoders() -> Iterator[tuple[str, bytes]]:
    yield "flat PNG of 9 MP, every measure", post("/info?include=all", flat("PNG", 3_000))
    yield "flat JPEG of 4 MP, median 50", post(pipeline("median:radius=50"), flat("JPEG", 2_000, quality=1))
    yield (
        "flat JPEG 2000 of 16 MP",
        post("/resize?width=100", flat("JPEG2000", 4_000, irreversible=True, quality_layers=[400])),
    )
    yield "flat AVIF of 16 MP", post("/resize?width=100", flat("AVIF", 4_000))
    yield "flat WebP of 16 MP to JPEG 2000", post("/grayscale?format=jp2", flat("WEBP", 4_000))
    yield "flat WebP of 25 MP to TIFF", post("/grayscale?format=tiff", flat("WEBP", 5_000))
    yield "flat WebP of 25 MP to BMP", post("/grayscale?format=bmp", flat("WEBP", 5_000))
    yield "GIF of 80 frames of 0.16 MP", post("/resize?width=400", animated(400, 80))


def _to_operations() -> Iterator[tuple[str, bytes]]:
    tiny = flat("PNG", 16)
    huge, large = GROWN.format(10_000), GROWN.format(8_000)
    for shape in ("square", "disk"):
        steps = f"{huge}morphology:kind=open,radius=50,shape={shape}"
        yield f"100 MP, morphology open 50, {shape}", post(pipeline(steps), tiny)
    text = f"text:text={'W' * 1000},size=1000,outline=50"
    yield "100 MP, text of 1,000 letters, 24 times", post(pipeline(huge + "/".join([text] * 24)), tiny)
    yield "64 MP, blur 100, 16 times", post(pipeline(large + "/".join(["blur:sigma=100"] * 16)), tiny)
    yield "64 MP, median 50", post(pipeline(large + "median:radius=50"), tiny)
    boxes = ";".join(["0;0;8000;8000"] * 100)
    yield "64 MP, redact by blur, 100 boxes", post(pipeline(f"{large}redact:boxes={boxes},mode=blur"), tiny)
    yield "64 MP, denoise", post(pipeline(large + "denoise:strength=100"), tiny)


def _to_encoders() -> Iterator[tuple[str, bytes]]:
    grains = noise(140)
    for parameters in (
        {"format": "gif"},
        {"format": "png", "colours": 256},
        {"format": "png", "effort": 9},
        {"format": "avif", "target": 0.99},
        {"format": "avif", "effort": 9},
        {"format": "jp2"},
        {"format": "jxl", "effort": 9},
        {"format": "webp", "lossless": "true", "effort": 9},
    ):
        name = ", ".join(f"{key}={value}" for key, value in parameters.items())
        yield f"9 MP of noise, {name}", post(pipeline(GROWN.format(3_000).rstrip("/"), **parameters), grains)


# ---- what readers of the package's own do ---------------------------------------------------------------


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _deep_png(side: int, *chunks: bytes) -> bytes:
    """Black, with 16 bits a channel."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(1 + 6 * side)) for _ in range(side)) + packer.flush()
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 16, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def _specks(canvas: int, parts: int) -> bytes:
    """A GIF of single pixels, each taken away before the next."""
    part = b"!\xf9\4\x0c\5\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0"
    head = b"GIF89a" + struct.pack("<HHBBB", canvas, canvas, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return head + part * parts + b";"


def _pages(number: int) -> bytes:
    """A TIFF of pages of 1 pixel, which share their strip."""
    tags = ((256, 4, 1, 1), (257, 4, 1, 1), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8))
    entries = b"".join(struct.pack("<HHII", *tag) for tag in (*tags, (279, 4, 1, 1)))
    size = 2 + len(entries) + 4
    places = (10 + size * page for page in range(1, number))
    pages = (struct.pack("<H", 7) + entries + struct.pack("<I", place) for place in (*places, 0))
    return b"II*\0\x0a\0\0\0\0\0" + b"".join(pages)


def _strips(width: int, rows: int) -> bytes:
    """A TIFF of as many deflated strips as rows, which are the same bytes."""
    strip = zlib.compress(bytes(width))
    at = 8 + len(strip)
    tags = (
        *((256, 4, 1, width), (257, 4, 1, rows), (258, 3, 1, 8), (259, 3, 1, 8), (262, 3, 1, 1)),
        *((273, 4, rows, at), (278, 4, 1, 1), (279, 4, rows, at + 4 * rows)),
    )
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    places = struct.pack("<I", 8) * rows + struct.pack("<I", len(strip)) * rows
    return struct.pack("<2sHI", b"II", 42, at + 8 * rows) + strip + places + struct.pack("<H", 8) + entries + bytes(4)


def _icon(entries: int) -> bytes:
    """An icon whose entries are one and the same picture."""
    data = flat("PNG", 256)
    entry = struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, len(data), 6 + 16 * entries)
    return struct.pack("<HHH", 0, 1, entries) + entry * entries + data


def _pdf(side: int, drawing: bytes, times: int) -> bytes:
    """A page of that side in points, on which something is drawn again and again."""
    stream = zlib.compress(drawing * times, 9)
    return (
        b"%%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
        b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 %d %d]/Contents 4 0 R>>endobj\n"
        b"4 0 obj<</Length %d/Filter/FlateDecode>>stream\n"
        % (side, side, len(stream))
        + stream
        + b"\nendstream endobj\ntrailer<</Root 1 0 R>>\n"
    )


def _runs(kind: str, side: int) -> bytes:
    """A picture of runs as long as the format has them."""
    pixels = side * side
    if kind == "qoi":
        runs = b"\xfd" * (pixels // 62) + (bytes((0xC0 + pixels % 62 - 1,)) if pixels % 62 else b"")
        return b"qoif" + struct.pack(">IIBB", side, side, 3, 0) + runs + bytes(7) + b"\1"
    if kind == "tga":
        head = struct.pack("<BBBHHBHHHHBB", 0, 0, 10, 0, 0, 0, 0, 0, side, side, 24, 0)
        return head + b"\xffabc" * -(-pixels // 128)
    head = struct.pack(">4sH6xHIIHHIIIH", b"8BPS", 1, 3, side, side, 8, 3, 0, 0, 0, 1)
    row = b"\x81a" * (side // 128)
    return head + struct.pack(">H", len(row)) * 3 * side + row * 3 * side


def _to_own_readers() -> Iterator[tuple[str, bytes]]:
    light = _chunk(b"cICP", bytes((9, 16, 0, 1)))
    bright = _chunk(b"gAMA", struct.pack(">I", 100_000))
    yield "PNG of 9 MP in 16 bits of PQ", post("/resize?width=100", _deep_png(3_000, light))
    yield "PNG of 9 MP in 16 bits of linear light", post("/resize?width=100", _deep_png(3_000, bright))
    yield "PNG of 9 MP in 16 bits, denoise", post(pipeline("denoise:strength=50"), _deep_png(3_000))
    yield "GIF of 250 specks on 0.36 MP", post("/flip?format=webp", _specks(600, 250))
    yield "GIF of specks on 25 MP, the frame 250", post("/resize?width=9&frame=249", _specks(5_000, 250))
    yield "GIF of 2,600 specks, described", post("/info", _specks(9, 2_600))
    yield "APNG of 200 frames of 0.04 MP", post("/resize?width=9&format=png", _moving("PNG", 200, 200))
    yield "WebP of 200 frames of 0.36 MP", post("/resize?width=9&format=png", _moving("WEBP", 600, 200))
    yield "TIFF of 700 pages, the last", post("/resize?width=9&page=700", _pages(700))
    yield "TIFF of 700 pages, described", post("/info", _pages(700))
    yield "TIFF of 8,000 strips", post("/resize?width=100", _strips(10_000, 8_000))
    tiles = flat("JPEG2000", 2_400, tile_size=(64, 64), irreversible=True, quality_layers=[400])
    yield "JPEG 2000 of 1,444 tiles", post("/resize?width=100", tiles)
    yield "JPEG of 4 MP without its end", post("/flip", flat("JPEG", 2_000, quality=1)[:-2])
    cut = flat("JPEG", 2_000, quality=1, progressive=True)
    for name, data in (
        ("JPEG of 4 MP", cut),
        ("PNG of 16 MP", flat("PNG", 4_000)),
        ("WebP of 16 MP", flat("WEBP", 4_000)),
    ):
        yield f"{name}, cut in its last tenth, broken=accept", post("/flip?broken=accept", data[: -len(data) // 10])
    yield "icon of 255 pictures", post("/resize?width=9", _icon(255))
    yield "icon of 255 pictures, described", post("/info?include=all", _icon(255))
    yield "PDF of 200 × 200 inches", post("/resize?width=100", _pdf(14_400, b"0 0 m 9 9 l S ", 1))
    yield "PDF of 200 × 200 inches at its size", post("/flip", _pdf(14_400, b"0 0 m 9 9 l S ", 1))
    yield (
        "PDF of 100,000 curves",
        post("/resize?width=2000", _pdf(500, b"0 0 m 9 500 500 9 500 500 c 1 w S ", 100_000)),
    )
    yield "SVG of 3 MB in 4 KB", post("/resize?width=9", gzip.compress(drawing("10", '<rect width="9"/>' * 180_000)))
    for kind, side in (("qoi", 1_900), ("tga", 1_400), ("psd", 1_024)):
        yield f"{kind.upper()} of runs", post("/resize?width=100", _runs(kind, side))


def _moving(form: str, side: int, frames: int) -> bytes:
    """An animation of frames that differ by a pixel."""
    file = io.BytesIO()
    pictures = [Image.new("RGB", (side, side), (0, 0, number)) for number in range(frames)]
    pictures[0].save(file, form, save_all=True, append_images=pictures[1:], duration=50)
    return file.getvalue()
