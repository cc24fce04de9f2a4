"""Requests as people write them who know another server, sharp or CSS: each is answered with what to write here."""

from __future__ import annotations

import base64
import gzip
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
]

BODIES = [
    (base64.b64encode(PHOTO), "text in Base64, as it seems: send the bytes that it stands for"),
    (b"data:image/jpeg;base64," + base64.b64encode(PHOTO), "a data URI: send the bytes that it stands for"),
    (b"https://example.com/a.jpg", "a URL: send the picture itself, or name it with source="),
    (gzip.compress(PHOTO), "a gzip archive"),
]


def test_there_are_at_least_sixty_mistakes() -> None:
    assert len({target for target, _fix in PARAMETERS}) >= 60


@pytest.mark.parametrize(("target", "fix"), PARAMETERS)
def test_a_mistake_is_answered_with_what_to_write(client: httpx.Client, target: str, fix: str) -> None:
    answer = client.post(target, content=PHOTO)

    assert answer.status_code in {400, 404}
    assert fix in answer.json()["detail"]


@pytest.mark.parametrize(("body", "what"), BODIES, ids=["base64", "data-uri", "url", "gzip"])
def test_a_body_that_only_stands_for_a_picture_is_named(client: httpx.Client, body: bytes, what: str) -> None:
    answer = client.post("/resize?width=30", content=body)

    assert answer.status_code == 415
    assert what in answer.json()["detail"]


def test_raw_utf_8_in_a_url_is_named(server: Server) -> None:
    with server.connect() as client:
        client.sendall("GET /resize?text=grüß HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        said = b""
        while data := client.recv(65536):
            said += data

    assert b"percent-encoded in UTF-8, such as %C3%BC" in said
