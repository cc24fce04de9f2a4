"""Hits that are answered at the head of their request: the same answers as the app gives, and only where these hold."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pictures import encoded, sample
from serving import Server, serving, wait_until
from wire import Wire

from imgsrv.web.cache.entry import Entry
from imgsrv.web.cache.folder import FolderStore
from imgsrv.web.cache.quick import LONGEST_REQUEST, MOST_MEANINGS, Meaning, QuickHits
from imgsrv.web.http.host import Quick

KEY = bytes(range(32))
TARGET, ETAG = b"/flip?source=file:a.png", b'"1"'
PHOTO, OTHER = (encoded(sample(name), "JPEG") for name in ("coffee.jpg", "rocket.jpg"))
URL = "/resize?width=200&source=file:photo.jpg"


class Known:
    """A store with one entry, and the hits that know what its target means."""

    def __init__(self, folder: Path, *, is_current: bool = True) -> None:
        self.store = FolderStore(folder, 10_000_000, 1_000_000)
        asyncio.run(self.store.put(KEY, Entry("image/png", 1, 1, is_broken=False, made_at=1.0, body=b"picture")))
        self.recorded: list[Quick] = []
        self.hits = QuickHits(self.store, self.recorded.append)
        self.hits.learn(TARGET, b"*/*", Meaning(KEY, ETAG, b"a: b\r\n", lambda: is_current))

    def ask(self, *headers: tuple[bytes, bytes], target: bytes = TARGET) -> tuple[bytes, memoryview | bytes] | None:
        return self.hits.answer(Quick(target, [(b"host", b"x"), *headers], ("127.0.0.1", 1), 0.0))


ACCEPT = (b"accept", b"*/*")


def test_a_known_target_is_answered(tmp_path: Path) -> None:
    known = Known(tmp_path)
    answer = known.ask(ACCEPT, (b"x-request-id", b"mine"))
    assert answer is not None
    head, body = answer
    assert bytes(body) == b"picture"
    assert head.startswith(b"HTTP/1.1 200 OK\r\na: b\r\ncontent-length: 7\r\ndate: ")
    assert head.endswith(b"\r\nx-request-id: mine\r\n\r\n")
    assert [(one.status, one.sent) for one in known.recorded] == [(200, 7)]


def test_who_has_the_picture_gets_304(tmp_path: Path) -> None:
    known = Known(tmp_path)
    answer = known.ask(ACCEPT, (b"if-none-match", ETAG))
    assert answer is not None
    assert (answer[0][:25], answer[1]) == (b"HTTP/1.1 304 Not Modified", b"")
    assert b"content-length" not in answer[0]


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param((), id="no-accept-header"),
        pytest.param(((b"accept", b"image/webp"),), id="another-accept-header"),
        pytest.param((ACCEPT, ACCEPT), id="two-accept-headers"),
        pytest.param((ACCEPT, (b"if-none-match", b'"2"')), id="another-version"),
    ],
)
def test_what_is_not_exactly_as_before_goes_the_usual_way(
    tmp_path: Path, headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    known = Known(tmp_path)
    assert known.ask(*headers) is None
    assert known.ask(ACCEPT, target=TARGET + b"&") is None
    assert known.recorded == []


def test_a_source_of_another_version_goes_the_usual_way(tmp_path: Path) -> None:
    assert Known(tmp_path, is_current=False).ask(ACCEPT) is None


@pytest.mark.parametrize("kind", ["gone", "torn", "flipped", "link", "fifo"])
def test_an_entry_that_is_not_plainly_there_goes_the_usual_way(tmp_path: Path, kind: str) -> None:
    known = Known(tmp_path)
    file = Path(known.store.path_of(KEY))
    data = file.read_bytes()
    file.unlink()
    if kind == "torn":
        file.write_bytes(data[:-1])
    elif kind == "flipped":
        file.write_bytes(data[:-1] + b"!")
    elif kind == "link":
        (tmp_path / "whole").write_bytes(data)
        file.symlink_to(tmp_path / "whole")
    elif kind == "fifo":
        os.mkfifo(file)
    assert known.ask(ACCEPT) is None


def test_a_worker_remembers_a_bounded_number_of_targets(tmp_path: Path) -> None:
    known, meaning = Known(tmp_path), Meaning(KEY, ETAG, b"", lambda: True)
    for number in range(MOST_MEANINGS):
        known.hits.learn(b"/%d" % number, None, meaning)
    assert known.ask(ACCEPT) is None
    known.hits.learn(b"/long", b"image/" + b"x" * LONGEST_REQUEST, meaning)
    known.hits.learn(b"/" + b"x" * LONGEST_REQUEST, None, meaning)
    assert list(known.hits._meanings) == [(b"/%d" % number, None) for number in range(MOST_MEANINGS)]


# ---- a server -----------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "cache").mkdir()
    (tmp_path / "pictures/photo.jpg").write_bytes(PHOTO)
    return tmp_path


@pytest.fixture
def caching(place: Path) -> Iterator[Server]:
    with serving("--workers=1", f"--source-dir={place}/pictures", f"--cache-dir={place}/cache") as server:
        yield server


def learned(server: Server, client: httpx.Client) -> list[httpx.Response]:
    """The answers to the same request, the last of them from the head of the request."""
    answers = [client.get(URL)]
    wait_until(lambda: client.get(URL).headers["cache-status"] == "imgsrv; hit", "the result is kept")
    assert server.named("cache_unusable") == []
    return [*answers, client.get(URL), client.get(URL)]


def test_its_answer_is_that_of_the_app(caching: Server) -> None:
    with caching.client() as client:
        computed, _, quick = learned(caching, client)
        assert quick.content == computed.content
        differing = {"date", "x-request-id", "server-timing", "cache-status"}
        assert {**quick.headers, "age": "0"} == {**quick.headers}
        assert {name: value for name, value in quick.headers.items() if name not in differing} == {
            name: value for name, value in computed.headers.items() if name not in differing
        }

    def hits() -> list[dict[str, Any]]:
        return [event for event in caching.named("request") if event.get("cache") == "hit"]

    wait_until(lambda: len(hits()) >= 2, "the hits are logged")
    assert len({frozenset(event) for event in hits()}) == 1


def test_a_client_with_two_accept_headers_changes_no_answer_of_others(caching: Server) -> None:
    url = f"{URL}&format=auto"
    with caching.client() as client:
        two = [("Accept", "image/jpeg"), ("Accept", "image/webp")]
        wait_until(lambda: client.get(url, headers=two).headers["cache-status"] == "imgsrv; hit", "it is kept")
        client.get(url, headers=two)
        for _ in range(3):
            assert client.get(url, headers={"Accept": "image/jpeg"}).headers["content-type"] == "image/jpeg"


def test_a_changed_removed_or_linked_picture_is_noticed(caching: Server, place: Path) -> None:
    photo = place / "pictures/photo.jpg"
    with caching.client() as client:
        learned(caching, client)
        photo.write_bytes(OTHER)
        other = client.post("/resize?width=200", content=OTHER).content
        assert client.get(URL).content == other
        learned(caching, client)
        photo.unlink()
        assert client.get(URL).status_code == 404
        photo.symlink_to("/etc/passwd")
        assert client.get(URL).status_code == 403


def test_a_purged_entry_is_computed_anew(caching: Server, place: Path) -> None:
    with caching.client() as client:
        learned(caching, client)
        asyncio.run(FolderStore(place / "cache", 1_000_000, 1_000_000).purge())
        assert client.get(URL).headers["cache-status"] == "imgsrv; fwd=uri-miss; stored"


def test_pipelined_requests_are_answered_in_their_order(caching: Server) -> None:
    with caching.client() as client:
        learned(caching, client)
    hit = f"GET {URL} HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n".encode()
    missing = b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"
    with Wire(caching) as wire:
        wire.socket.sendall((hit + missing) * 3 + hit * 40)
        statuses = [wire.answer().status for _ in range(46)]
    assert statuses == [200, 404] * 3 + [200] * 40


def test_a_client_that_does_not_read_stops_no_other(caching: Server) -> None:
    with caching.client() as client:
        learned(caching, client)
        request = f"GET {URL} HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n".encode()
        with Wire(caching) as wire:
            wire.socket.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                for _ in range(2000):
                    wire.socket.sendall(request)
            assert client.get(URL).status_code == 200
            unsent = [
                line for line in client.get("/metrics").text.splitlines() if line.startswith("imgsrv_unsent_bytes")
            ]
            assert float(unsent[0].split()[1]) < 10_000_000


def test_where_keys_are_asked_for_every_hit_is_asked_for_one(place: Path) -> None:
    flags = ("--workers=1", f"--source-dir={place}/pictures", f"--cache-dir={place}/cache", "--client-limit=5/hour")
    with serving(*flags) as server, server.client() as client:
        statuses = [client.get(URL).status_code for _ in range(8)]
        assert statuses.count(200) <= 5
        assert statuses[-1] == 429
