"""Remote sources behind the cache: how often their server is asked, and for what."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from far.origins import Answer, Origin, ok, origin
from pictures import encoded, opened, sample
from serving import Server, serving, wait_until

PHOTO, OTHER = (encoded(sample(name), "JPEG") for name in ("coffee.jpg", "rocket.jpg"))
FRESH, STALE = "Cache-Control: max-age=600", "Cache-Control: no-cache"


def conditional(etag: str, *headers: str, body: bytes = PHOTO) -> Answer:
    """A server that answers 304 to who has the ETag."""

    def answer(connection: socket.socket, request: bytes) -> None:
        if f"If-None-Match: {etag}".encode() in request:
            lines = ["HTTP/1.1 304 Not Modified", f"ETag: {etag}", *headers, "Content-Length: 0", "Connection: close"]
            connection.sendall("\r\n".join([*lines, "", ""]).encode())
        else:
            connection.sendall(ok(body, f"ETag: {etag}", "Connection: close", *headers))

    return answer


@contextmanager
def caching(tmp_path: Path, answer: Answer) -> Iterator[tuple[httpx.Client, Origin, Server]]:
    with (
        origin({"/p.jpg": answer}) as place,
        serving(
            *("--workers=2", f"--cache-dir={tmp_path}"),
            *(f"--source-http={place.url}/", "--source-private-addresses=127.0.0.0/8"),
        ) as server,
        server.client() as client,
    ):
        yield client, place, server


def target(place: Origin, width: int = 100) -> str:
    return f"/resize?width={width}&source={place.url}/p.jpg"


def kept(client: httpx.Client, place: Origin) -> httpx.Response:
    """The first answer, once the result is kept: it is written behind the answer.  What was asked is forgotten."""
    first = client.get(target(place))
    wait_until(lambda: client.get(target(place)).headers["cache-status"] == "imgsrv; hit", "the result is kept")
    place.requests.clear()
    return first


def test_the_server_of_a_fresh_version_is_not_asked(tmp_path: Path) -> None:
    with caching(tmp_path, ok(PHOTO, 'ETag: "1"', FRESH)) as (client, place, _server):
        first, second = kept(client, place), client.get(target(place))
        assert (second.headers["cache-status"], second.content) == ("imgsrv; hit", first.content)
        assert second.headers["cache-control"] == "public, max-age=600"
        assert int(second.headers["age"]) >= 0
        unchanged = client.get(target(place), headers={"If-None-Match": first.headers["etag"]})
        assert unchanged.status_code == 304
        assert not place.requests
        # Another result of the same version needs the bytes.
        assert opened(client.get(target(place, 50)).content).width == 50
        assert len(place.requests) == 1


def test_the_age_of_an_answer_counts_in_its_life_and_in_ours(tmp_path: Path) -> None:
    with caching(tmp_path, ok(PHOTO, 'ETag: "1"', FRESH, "Age: 400")) as (client, place, _server):
        first, second = kept(client, place), client.get(target(place))
        assert {answer.headers["cache-control"] for answer in (first, second)} == {"public, max-age=600"}
        assert 400 <= int(first.headers["age"]) <= int(second.headers["age"]) < 600
        assert not place.requests


def test_an_answer_that_came_older_than_its_life_is_not_fresh(tmp_path: Path) -> None:
    with caching(tmp_path, conditional('"1"', FRESH, "Age: 700")) as (client, place, _server):
        assert kept(client, place).headers["age"] == "700"
        again = client.get(target(place))
        assert (again.headers["cache-status"], again.headers["age"]) == ("imgsrv; hit", "700")
        assert [b"If-None-Match" in request for request in place.requests] == [True]


@pytest.mark.parametrize("age", ["-5", "x", "", "1e3", "0, 700"])
def test_an_age_that_is_none_counts_as_none(tmp_path: Path, age: str) -> None:
    with caching(tmp_path, ok(PHOTO, 'ETag: "1"', FRESH, f"Age: {age}")) as (client, place, _server):
        assert kept(client, place).headers["age"] == "0"


def test_the_server_of_a_stale_version_is_asked_whether_it_still_holds(tmp_path: Path) -> None:
    with caching(tmp_path, conditional('"1"', STALE)) as (client, place, _server):
        first, second = kept(client, place), client.get(target(place))
        assert (second.headers["cache-status"], second.content) == ("imgsrv; hit", first.content)
        assert second.headers["cache-control"] == "no-cache"
        assert [b"If-None-Match" in request for request in place.requests] == [True]
        # The version holds, and its bytes are needed for another result.
        assert opened(client.get(target(place, 50)).content).width == 50
        assert [b"If-None-Match" in request for request in place.requests] == [True, True, False]


def test_a_new_version_is_another_picture(tmp_path: Path) -> None:
    with caching(tmp_path, conditional('"1"', STALE)) as (client, place, _server):
        first = client.get(target(place))
        place.answers["/p.jpg"] = conditional('"2"', STALE, body=OTHER)
        second = client.get(target(place), headers={"If-None-Match": first.headers["etag"]})
        assert second.status_code == 200
        assert second.content != first.content


@pytest.mark.parametrize("headers", [(), ('ETag: W/"1"',), ("Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT",)])
def test_without_a_strong_validator_the_bytes_tell_the_version(tmp_path: Path, headers: tuple[str, ...]) -> None:
    with caching(tmp_path, ok(PHOTO, STALE, *headers)) as (client, place, _server):
        first, second = client.get(target(place)), client.get(target(place))
        assert (second.headers["cache-status"], second.content) == ("imgsrv; hit", first.content)
        place.answers["/p.jpg"] = ok(OTHER, STALE, *headers)
        assert client.get(target(place)).content != first.content


@pytest.mark.parametrize("control", ["no-store", "private, max-age=60"])
def test_what_a_server_keeps_for_one_client_is_not_kept(tmp_path: Path, control: str) -> None:
    with caching(tmp_path, ok(PHOTO, 'ETag: "1"', f"Cache-Control: {control}")) as (client, place, _server):
        for _ in range(2):
            answer = client.get(target(place))
            assert answer.headers["cache-control"] == control
            assert answer.headers["cache-status"] == "imgsrv; fwd=uri-miss"
        assert len(place.requests) == 2


def test_a_kept_result_of_a_place_that_is_no_longer_allowed_is_not_given(tmp_path: Path) -> None:
    with caching(tmp_path, ok(PHOTO, 'ETag: "1"', FRESH)) as (client, place, _server):
        url = target(place)
        assert client.get(url).status_code == 200
        with serving("--workers=1", f"--cache-dir={tmp_path}", "--source-http=http://example.com/") as other:
            answer = httpx.get(f"{other.url}{url}")
            assert (answer.status_code, answer.json()["code"]) == (403, "source_not_allowed")
