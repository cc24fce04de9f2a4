"""Requests as people write them who know another server, sharp or CSS: each is answered with what to write here."""

from __future__ import annotations

import base64
import bz2
import gzip
import lzma
import zlib
from pathlib import Path

import httpx
import pytest
from serving import Server

PHOTO = (Path(__file__).parents[1] / "samples" / "coffee.jpg").read_bytes()

PARAMETERS = [
    # sharp
    ("/resize?width=300&withoutEnlargement=true", "made larger only with enlarge=true"),
    ("/resize?width=300&position=top", "did you mean gravity?"),
    ("/resize?width=300&height=300&fit=cover&gravity=top", "did you mean north?"),
    ("/resize?width=300&height=300&fit=cover&gravity=attention", "did you mean smart?"),
    ("/resize?width=300&height=300&fit=cover&gravity=entropy", "did you mean smart?"),
    ("/resize?width=300&height=300&fit=cover&gravity=left+top", "did you mean northwest?"),
    ("/resize?width=300&kernel=lanczos3", "did you mean lanczos?"),
    ("/resize?width=300&kernel=cubic", "did you mean bicubic?"),
    ("/resize?width=300&withMetadata=true", "did you mean metadata?"),
    ("/resize?width=300&metadata=true", "did you mean keep?"),
    ("/resize?width=300&chromaSubsampling=4:4:4", "did you mean subsampling?"),
    ("/resize?width=300&compressionLevel=9", "did you mean effort?"),
    ("/pipeline?ops=greyscale", "did you mean grayscale?"),
    ("/pipeline?ops=negate", "did you mean invert?"),
    ("/pipeline?ops=extract:left=1,top=1,width=9,height=9", "did you mean crop?"),
    ("/pipeline?ops=composite", "did you mean watermark?"),
    ("/pipeline?ops=flatten", "write &background=… behind the steps"),
    ("/pipeline?ops=resize:width=300/webp", "write &format=webp behind the steps"),
    ("/rotate?angle=90", "did you mean degrees?"),
    ("/pipeline?ops=rotate:90", "such as rotate:degrees=90"),
    ("/pipeline?ops=blur:3", "such as blur:sigma=3"),
    # imgproxy
    ("/resize?w=300", "did you mean width?"),
    ("/resize?h=300", "did you mean height?"),
    ("/resize?width=300&f=webp", "did you mean format?"),
    ("/resize?width=300&q=80", "did you mean quality?"),
    ("/resize?width=300&bg=ff0000", "did you mean background?"),
    ("/resize?width=300&el=1", "did you mean enlarge?"),
    ("/resize?width=300&g=no", "did you mean gravity?"),
    ("/resize?width=300&height=300&fit=fill-down", "did you mean cover?"),
    ("/resize?width=300&height=300&fit=cover&gravity=sm", "did you mean smart?"),
    ("/resize?width=300&height=300&fit=cover&gravity=noea", "did you mean northeast?"),
    ("/resize?width=300&bl=3", "blur is an operation of its own: put it behind a slash, as in ops=resize/blur"),
    ("/pipeline?ops=rs:fit:300:200", "did you mean resize?"),
    ("/pipeline?ops=rot:90", "did you mean rotate?"),
    ("/pipeline?ops=pix:10", "did you mean pixelate?"),
    ("/pipeline?ops=wm:0.5", "did you mean watermark?"),
    ("/pipeline?ops=blur_detections:8:face", "did you mean redact?"),
    ("/pipeline?ops=t:10", "did you mean trim?"),
    ("/pipeline?ops=resize:width=300&sm=0", "did you mean metadata?"),
    ("/pipeline?ops=resize:width=300&scp=0", "did you mean icc?"),
    # imaginary and thumbor
    ("/thumbnail?width=100", "did you mean resize?"),
    ("/resize?width=300&type=webp", "did you mean format?"),
    ("/resize?width=300&stripmeta=true", "did you mean metadata?"),
    ("/resize?width=300&force=true", "fit=fill stretches the picture to width and height"),
    ("/resize?width=300&url=https://example.com/a.jpg", "send the picture as the body, or name it with source="),
    ("/resize?width=300&height=300&fit=fit-in", "did you mean inside?"),
    # imgix, Cloudflare, Cloudinary, CSS and units
    ("/resize?width=300&auto=format", "format=auto chooses the format"),
    ("/resize?width=300&fm=webp", "did you mean format?"),
    ("/resize?width=300&height=300&fit=crop", "did you mean cover?"),
    ("/resize?width=300&height=300&fit=clip", "did you mean inside?"),
    ("/resize?width=300&height=300&fit=scale-down", "did you mean inside?"),
    ("/resize?width=300&height=300&fit=pad", "did you mean contain?"),
    ("/resize?width=300&height=300&fit=stretch", "did you mean fill?"),
    ("/resize?width=300&crop=true", "fit=cover fills width and height"),
    ("/resize?width=300px", "did you mean 300?"),
    ("/resize?width=50%25", "did you mean 50?"),
    ("/resize?width=1_000", "did you mean 1000?"),
    ("/rotate?degrees=90deg", "did you mean 90?"),
    ("/resize?width=300&quality=0.8", "did you mean 80?"),
    ("/resize?size=300x200", "give width and height, each in pixels"),
    ("/resize?width=300&x=10&y=20", "to cut a part, use the operation crop"),
    ("/resize?width=300&blur=5", "blur is an operation of its own: put it behind a slash, as in ops=resize/blur"),
    ("/crop?width=1.0&height=1.0", "or a number above 0 and below 1"),
    ("/pipeline?ops=flip&blur=5", "blur is an operation of its own: make it a step, as in ops=blur"),
    ("/batch?widths=30&blur=5", "blur is an operation of its own: make it a step, as in ops=blur"),
    ("/batch?widths=320w,640w", "did you mean 320?"),
    ("/batch?widths=" + ",".join(map(str, range(100, 121))), "there are 21 widths and 16 are allowed"),
    ("/resize?width=300&strip=true", "did you mean metadata?"),
    # parts of the ten tasks, as somebody guessed them
    ("/batch?widths=320,640&sizes=1", "widths=320,640 makes an output for each width"),
    ("/resize?sizes=320,640", "POST /batch?widths=320,640 makes an output for each width"),
    ("/resize?widths=320,640", "POST /batch?widths=320,640 makes an output for each width"),
    ("/pipeline?ops=round:radius=50%2525", "did you mean 0.5?"),
    ("/pipeline?ops=round:radius=max", "shape=circle makes a circle"),
    ("/pipeline?ops=circle", "write round:shape=circle"),
    ("/avatar?width=256", "write resize:width=256,height=256,fit=cover,gravity=face/round:shape=circle"),
    ("/resize?width=256&zoom=2", "to come closer, cut first"),
    ("/watermark?opacity=50", "did you mean 0.5?"),
    ("/watermark?opacity=50%25", "did you mean 0.5?"),
    ("/watermark?margin=20", "it is a fraction of the shorter side"),
    ("/watermark?left=20&top=20", "gravity says where it stands, and margin how far from the edges"),
    ("/watermark?repeat=true", "tile=true repeats the mark"),
    ("/watermark?gravity=re", "tile=true repeats a mark"),
    ("/watermark?angle=30", "turn the mark before you send it"),
    ("/watermark?image=https://example.com/a.png", "name it with source.watermark="),
    ("/text?text=a&stroke=3", "outline=2 and outline_colour=000000"),
    ("/text?text=a&strokeWidth=3", "outline=2 and outline_colour=000000"),
    ("/text?text=a&weight=bold", "font=SourceSansPro-Bold"),
    ("/resize?width=300&animated=true", "an animation stays one"),
    ("/resize?width=300&loop=0", "plays as often as before: leave it out"),
    ("/pipeline?format=jpeg&autorotate=true", "EXIF orientation is always applied"),
    ("/pipeline?format=png&density=144", "write resize:width=600, or width=300,dpr=2"),
    ("/pipeline?metadata=copyright,icc", "icc=keep beside metadata=copyright"),
    ("/pipeline?metadata=copyright&profile=keep", "icc=keep keeps the colours and their profile"),
    ("/pipeline?strip_color_profile=0", "icc=keep keeps the colours and their profile"),
    ("/pipeline?keep_copyright=1", "metadata=copyright keeps the author and the licence"),
    ("/pipeline?metadata=keep&gps=false", "metadata=copyright keeps the author and the licence"),
    ("/pipeline?max_bytes=100KB", "did you mean 100000?"),
    ("/pipeline?max_bytes=100KiB", "did you mean 102400?"),
    ("/pipeline?max_size=100000", "max_bytes=100000 bounds the bytes"),
    ("/blurhash", "write &format=blurhash behind the steps"),
    ("/placeholder", "write &format=lqip behind the steps"),
    ("/pipeline?format=dominant", "POST /info?include=dominant"),
    ("/info?include=lqip", "POST /pipeline?format=lqip"),
    ("/info?blurhash=true", "write include=blurhash"),
    ("/resize?rs=fit:300:200", "rs:fit:300:200 is resize:width=300,height=200"),
    ("/insecure/rs:fit:300:200/plain/s3://photos/a.jpg@webp", "it looks like a path of imgproxy"),
    ("/unsafe/300x200/a.jpg", "its options are a query here"),
]

BASE64 = base64.b64encode(PHOTO)
JSON = b'{"image": "' + BASE64 + b'"}'

BODIES = {
    # packed
    "gzip": (gzip.compress(PHOTO), "a gzip archive that holds JPEG: unpack it"),
    "gzip-of-a-text": (gzip.compress(b"hello"), "a gzip archive: unpack it"),
    "deflate": (zlib.compress(PHOTO), "packed with deflate that holds JPEG: unpack it"),
    "zstd": (bytes.fromhex("28b52ffd0458"), "packed with zstd: unpack it"),
    "bzip2": (bz2.compress(PHOTO), "packed with bzip2: unpack it"),
    "xz": (lzma.compress(PHOTO), "packed with xz: unpack it"),
    "zip": (b"PK\x03\x04" + bytes(30), "a ZIP archive: send the pictures in it one by one"),
    # as text
    "base64": (BASE64, "text in Base64, as it seems: send the bytes that it stands for"),
    "base64-in-lines": (base64.encodebytes(PHOTO), "text in Base64, as it seems"),
    "base64-in-quotes": (b'"' + BASE64 + b'"', "text in Base64, as it seems"),
    "base64-for-urls": (base64.urlsafe_b64encode(PHOTO[:200] + b"\xff" * 90), "text in Base64, as it seems"),
    "data-uri": (b"data:image/jpeg;base64," + BASE64, "a data URI: send the bytes that it stands for"),
    "data-uri-in-quotes": (b'"data:image/png;base64,' + BASE64 + b'"', "a data URI"),
    "hexadecimal": (PHOTO[:300].hex().encode(), "text in hexadecimal digits, as it seems"),
    "hexadecimal-of-postgres": (b"\\x" + PHOTO[:300].hex().encode(), "text in hexadecimal digits, as it seems"),
    "python": (repr(PHOTO[:300]).encode(), "the text that Python prints for bytes"),
    "javascript": (b"[object File]", "send the Blob, the File or the ArrayBuffer itself"),
    "node": (b"<Buffer ff d8 ff e0 ... 9 more bytes>", "send the Buffer itself"),
    "jpeg-read-as-text": (PHOTO.decode(errors="replace").encode(), "a picture that was read as text"),
    "png-read-as-text": (b"\x89PNG\r\n\x1a\n".decode(errors="replace").encode(), "a picture that was read as text"),
    "jpeg-written-as-text": (PHOTO.decode("latin-1").encode(), "a picture whose bytes were written as text"),
    "png-with-other-line-ends": (b"\x89PNG\n\x1a\n", "a PNG with other line ends"),
    # something that names a picture, or holds one
    "url": (b"https://example.com/a.jpg", "a URL: send the picture itself, or name it with source="),
    "blob-url": (b"blob:https://example.com/6ba7b810-9dad", "a URL: send the picture itself"),
    "file-name": (b"photo.jpg", "the name of a file, not what is in it"),
    "curl-data": (b"file=@holiday/photo one.JPG", "write --data-binary @photo.jpg or -F file=@photo.jpg"),
    "form": (b"image=" + BASE64 + b"&width=300", "a form of text"),
    "json": (
        JSON,
        "JSON, which is no picture format: send the bytes of the picture as the body, or as the part 'file'",
    ),
    "json-of-a-buffer": (b'{"type":"Buffer","data":[255,216]}', "JSON, which is no picture format"),
    "json-list": (b"[255, 216, 255]", "JSON, which is no picture format"),
    "html": (b"<!DOCTYPE html><html><img src='a.jpg'></html>", "send the picture itself, not the page that shows it"),
    "xml": (b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>", "an XML document, and no SVG drawing"),
}


def test_there_are_at_least_sixty_mistakes() -> None:
    assert len({target for target, _fix in PARAMETERS}) >= 60


@pytest.mark.parametrize(("target", "fix"), PARAMETERS)
def test_a_mistake_is_answered_with_what_to_write(client: httpx.Client, target: str, fix: str) -> None:
    answer = client.post(target, content=PHOTO)

    assert answer.status_code in {400, 404}
    assert fix in answer.json()["detail"]


def test_a_mark_under_another_name_is_named_with_the_two_ways_to_use_it(client: httpx.Client) -> None:
    answer = client.post("/watermark", files={"file": PHOTO, "logo": PHOTO})

    assert (answer.status_code, answer.json()["code"]) == (400, "missing_part")
    assert "the upload has 'logo': give it that name, or write part=logo" in answer.json()["detail"]


def test_a_part_that_is_missing_may_be_named_with_source(client: httpx.Client) -> None:
    answer = client.post("/watermark", content=PHOTO)

    assert "or name it with source.watermark=" in answer.json()["detail"]


@pytest.mark.parametrize(("body", "what"), BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("content_type", ["", "application/x-www-form-urlencoded"], ids=["raw", "curl"])
def test_a_body_that_only_stands_for_a_picture_is_named(
    client: httpx.Client, body: bytes, what: str, content_type: str
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    answer = client.post("/resize?width=30", content=body, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_format")
    assert what in answer.json()["detail"]


def test_what_stands_for_a_picture_is_named_in_a_form_too(client: httpx.Client) -> None:
    answer = client.post("/resize?width=30", files={"file": ("a.jpg", BASE64)})

    assert answer.status_code == 415
    assert "text in Base64" in answer.json()["detail"]


CODED = {
    "gzip": (gzip.compress(PHOTO), "gzip"),
    "deflate": (zlib.compress(PHOTO), "deflate"),
    # Brotli has no signature.
    "br": (bytes.fromhex("8b0280") + PHOTO[:20] + b"\x03", "br"),
    "zstd": (bytes.fromhex("28b52ffd0458"), "zstd"),
    "twice": (gzip.compress(gzip.compress(PHOTO)), "gzip, gzip"),
}


@pytest.mark.parametrize(("body", "coding"), CODED.values(), ids=CODED)
@pytest.mark.parametrize("target", ["/resize?width=30", "/pipeline?format=webp", "/info", "/batch?widths=30"])
def test_a_content_coding_is_refused_with_what_is_taken(
    client: httpx.Client, target: str, body: bytes, coding: str
) -> None:
    answer = client.post(target, content=body, headers={"Content-Encoding": coding})

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_encoding")
    assert f"Content-Encoding: {coding}" in answer.json()["detail"]
    # RFC 9110, sections 12.5.3 and 15.5.16.
    assert answer.headers["Accept-Encoding"] == "identity"


def test_a_packed_form_is_refused_by_its_coding(client: httpx.Client) -> None:
    form = httpx.Request("POST", "http://x", files={"file": PHOTO})
    headers = {"Content-Type": form.headers["Content-Type"], "Content-Encoding": "gzip"}
    answer = client.post("/resize?width=30", content=gzip.compress(form.read()), headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_encoding")


@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_a_picture_is_one_whatever_its_coding_is_said_to_be(client: httpx.Client, coding: str) -> None:
    plain = client.post("/resize?width=30", content=PHOTO)
    assert client.post("/resize?width=30", content=PHOTO, headers={"Content-Encoding": coding}).content == plain.content


def test_raw_utf_8_in_a_url_is_named(server: Server) -> None:
    with server.connect() as client:
        client.sendall("GET /resize?text=grüß HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        said = b""
        while data := client.recv(65536):
            said += data

    assert b"percent-encoded in UTF-8, such as %C3%BC" in said
