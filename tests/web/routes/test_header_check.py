"""A picture that its header condemns is refused by the front: it neither waits for an engine nor keeps one busy."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import pytest
from pictures import encoded, picture
from serving import Server, serving, wait_until
from wire import PNG, Wire, ask, metric, post

WORKERS = 1
"""The engine of one of several workers would be kept free of dear jobs."""
HEAVY = "/pipeline?ops=resize:width=5000,enlarge=true" + "/blur:sigma=3.9" * 30
"""Half a minute of work for a small picture."""


def png(width: int, height: int) -> bytes:
    """A PNG of that size by its header."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def jpeg(width: int, height: int) -> bytes:
    """A JPEG of that size by its header."""
    good = encoded(picture("RG/BY"), "JPEG")
    at = good.index(b"\xff\xc0") + 5
    return good[:at] + struct.pack(">HH", height, width) + good[at + 4 :]


def gif(width: int, height: int) -> bytes:
    good = encoded(picture("RG/BY"), "GIF")
    return good[:6] + struct.pack("<HH", width, height) + good[10:]


def form(data: bytes) -> bytes:
    return (
        b'--XX\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n'
        b"Content-Type: image/png\r\n\r\n" + data + b"\r\n--XX--\r\n"
    )


@pytest.fixture(scope="module")
def busy() -> Iterator[Server]:
    """A server whose engines have all a job for longer than the tests take."""
    with serving(f"--workers={WORKERS}", "--job-timeout-s=600") as server:
        wires = [Wire(server) for _ in range(WORKERS)]
        for wire in wires:
            wire.send(post(HEAVY, PNG))
        wait_until(lambda: metric(server, "imgsrv_jobs_begun_total") == WORKERS, "all engines work")
        yield server
        found = {name: metric(server, f"imgsrv_jobs_{name}_total") for name in ("submitted", "done")}
        for wire in wires:
            wire.socket.close()
        assert found == {"submitted": WORKERS, "done": 0}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param(png(20_000, 20_000), 422, "too_many_pixels", id="a-png-of-400-megapixels"),
        pytest.param(jpeg(20_000, 20_000), 422, "too_many_pixels", id="a-jpeg-of-400-megapixels"),
        pytest.param(gif(20_000, 20_000), 422, "too_many_pixels", id="a-gif-of-400-megapixels"),
        pytest.param(png(2, 2)[:20], 422, "undecodable", id="a-png-cut-in-its-header"),
        pytest.param(jpeg(2, 2)[:200], 422, "undecodable", id="a-jpeg-cut-in-its-header"),
        pytest.param(b"no picture", 415, "unsupported_format", id="no-picture"),
    ],
)
@pytest.mark.parametrize("target", ["/flip", "/info"])
def test_a_picture_over_the_limit_is_refused_while_all_engines_are_busy(
    busy: Server, body: bytes, status: int, code: str, target: str
) -> None:
    answer = ask(busy, post(target, body))

    assert (answer.status, answer.code, answer.closes) == (status, code, False)


def test_a_picture_over_the_limit_is_refused_in_a_form_too(busy: Server) -> None:
    answer = ask(busy, post("/flip", form(png(20_000, 20_000)), "Content-Type: multipart/form-data; boundary=XX"))

    assert answer.code == "too_many_pixels"


def test_the_limit_comes_from_the_settings() -> None:
    with serving("--workers=1", "--max-pixels=5000") as server:
        assert ask(server, post("/flip", png(100, 100))).code == "too_many_pixels"
        assert metric(server, "imgsrv_jobs_submitted_total") == 0
        assert ask(server, post("/flip", PNG)).status == 200
        assert metric(server, "imgsrv_jobs_submitted_total") == 1
