"""`source=s3://…`: objects of a real S3 server, and of ports that behave badly in its place."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest
from far.origins import origin
from pictures import encoded, picture, sample
from servers.s3_server import s3_server
from serving import Server, serving

pytest.importorskip("obstore", reason="the extra s3 is not installed")

PHOTO = encoded(sample("coffee.jpg"), "JPEG", quality=90)
LOGO = encoded(picture("RG/BY"), "PNG")

OBJECTS = {
    "/photos/public/photo.jpg": PHOTO,
    "/photos/public/ä b.png": LOGO,
    "/photos/public/notes.txt": b"no picture",
    "/photos/public/large.jpg": PHOTO + bytes(2_000_000),
    "/photos/secret/photo.jpg": PHOTO,
    "/other/photo.jpg": PHOTO,
}


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """The environment of a client of an S3 server with these objects."""
    with s3_server() as made:
        with httpx.Client(base_url=made["AWS_ENDPOINT_URL"]) as client:
            for bucket in ("/photos", "/other"):
                assert client.put(bucket).status_code == 200
            for path, data in OBJECTS.items():
                headers = {"Cache-Control": "max-age=60", "Content-Type": "image/jpeg"}
                assert client.put(quote(path), content=data, headers=headers).status_code == 200
        yield made


@pytest.fixture(scope="module")
def reading(environment: dict[str, str]) -> Iterator[Server]:
    flags = ["--source-buckets=s3://photos/public/,s3://missing", "--max-body=2MB"]
    with serving("--workers=1", *flags, environment=environment) as running:
        yield running


@pytest.fixture
def asking(reading: Server) -> Iterator[httpx.Client]:
    with reading.client() as client:
        yield client


@contextlib.contextmanager
def bucket_at(url: str, *flags: str) -> Iterator[httpx.Client]:
    """A client of a server whose bucket `photos` lies at the URL."""
    environment = {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": "us-east-1",
    }
    flags = ("--workers=1", "--source-buckets=s3://photos", *flags)
    with serving(*flags, environment=environment) as server, server.client() as client:
        yield client


def fetched(client: httpx.Client, source: str, target: str = "/flip?") -> httpx.Response:
    return client.get(f"{target}source={quote(source, safe='')}")


def test_an_object_gives_the_answer_of_the_same_bytes_in_a_body(asking: httpx.Client) -> None:
    answer = fetched(asking, "s3://photos/public/photo.jpg", "/resize?width=100&")

    assert answer.content == asking.post("/resize?width=100", content=PHOTO).content
    assert "last-modified" in answer.headers
    assert fetched(asking, "s3://photos/public/ä b.png").status_code == 200


def test_the_etag_of_the_object_is_the_version_of_the_result(asking: httpx.Client) -> None:
    first = fetched(asking, "s3://photos/public/photo.jpg", "/resize?width=90&")
    known = asking.get(first.request.url, headers={"If-None-Match": first.headers["etag"]})

    assert known.status_code == 304
    assert "max-age=60" in first.headers["cache-control"]


@pytest.mark.parametrize(
    ("source", "status", "code"),
    [
        ("s3://photos/public/nothing.jpg", 404, "source_not_found"),
        ("s3://missing/photo.jpg", 404, "source_not_found"),
        ("s3://photos/public/large.jpg", 422, "source_too_large"),
        ("s3://photos/public/notes.txt", 415, "unsupported_format"),
        ("s3://photos/secret/photo.jpg", 403, "source_not_allowed"),
        ("s3://photos/publicity/photo.jpg", 403, "source_not_allowed"),
        ("s3://other/photo.jpg", 403, "source_not_allowed"),
        ("gs://photos/public/photo.jpg", 403, "source_not_allowed"),
        ("s3://photos/public/../secret/photo.jpg", 400, "bad_source"),
        ("s3://photos/public//photo.jpg", 400, "bad_source"),
        ("s3://photos/public/./photo.jpg", 400, "bad_source"),
        ("s3://photos/public/", 400, "bad_source"),
        ("s3://photos", 400, "bad_source"),
        ("s3:photos/public/photo.jpg", 400, "bad_source"),
        ("s3://photos/public/%2e%2e/secret/photo.jpg", 404, "source_not_found"),
        ("s3://photos/public/..%2fsecret%2fphoto.jpg", 404, "source_not_found"),
        ("s3://photos/public/\\..\\secret\\photo.jpg", 404, "source_not_found"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_code(
    asking: httpx.Client, source: str, status: int, code: str
) -> None:
    answer = fetched(asking, source)

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


@pytest.mark.parametrize(
    ("status", "body", "expected", "code"),
    [
        (403, b"<Error><Code>AccessDenied</Code><Message>s3cr3t</Message></Error>", 403, "source_forbidden"),
        (401, b"<Error><Code>InvalidToken</Code></Error>", 403, "source_forbidden"),
        (500, b"<Error><Code>InternalError</Code><Message>s3cr3t</Message></Error>", 502, "source_failed"),
        (200, b"", 415, "unsupported_format"),
    ],
)
def test_what_a_bucket_answers_becomes_a_problem(status: int, body: bytes, expected: int, code: str) -> None:
    head = f'HTTP/1.1 {status} It\r\nContent-Length: {len(body)}\r\nETag: "a"\r\nLast-Modified: {DATED}\r\n\r\n'
    with origin({"/photos/a.jpg": head.encode() + body}) as place, bucket_at(place.url) as client:
        answer = fetched(client, "s3://photos/a.jpg")

    assert (answer.status_code, answer.json()["code"]) == (expected, code), answer.text
    assert "s3cr3t" not in answer.text


DATED = "Thu, 01 Jan 2026 00:00:00 GMT"


def silent_for_ever(connection: socket.socket, _request: bytes) -> None:
    connection.recv(1)


def test_a_bucket_that_cannot_be_reached_or_is_silent_is_said() -> None:
    with origin({"/photos/a.jpg": silent_for_ever}) as place, bucket_at(place.url, "--source-timeout-s=1") as client:
        silent = fetched(client, "s3://photos/a.jpg")
    with bucket_at(place.url) as client:
        closed = fetched(client, "s3://photos/a.jpg")

    assert (silent.status_code, silent.json()["code"]) in ((504, "source_timeout"), (502, "source_failed"))
    assert (closed.status_code, closed.json()["code"]) == (502, "source_failed")


def test_a_server_reads_no_bucket_by_default(client: httpx.Client) -> None:
    answer = fetched(client, "s3://photos/public/photo.jpg")

    assert (answer.status_code, answer.json()["code"]) == (403, "source_not_allowed")
    assert "--source-buckets" in answer.json()["detail"]
