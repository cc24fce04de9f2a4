"""Small requests that ask for much, made by code: none holds more than 64 KB, and none harms other software."""

from __future__ import annotations

import io
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
