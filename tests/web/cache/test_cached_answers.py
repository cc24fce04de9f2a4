"""Answers from the cache of a running server, and that each of its faults costs nobody an answer."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from pictures import encoded, opened, sample
from prometheus_client.parser import text_string_to_metric_families
from serving import Server, serving, wait_until

PHOTO = encoded(sample("coffee.jpg"), "JPEG", quality=90)
URL = "/resize?width=200&source=file:photo.jpg"
SLOW = "/pipeline?ops=blur:sigma=40/blur:sigma=41/blur:sigma=42&source=file:large.jpg"
"""A job of a few seconds, as far as a test has to be sure that it goes on."""
CHROME = {"Accept": "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "cache").mkdir()
    (tmp_path / "pictures/photo.jpg").write_bytes(PHOTO)
    large = opened(PHOTO).resize((4000, 3000))
    (tmp_path / "pictures/large.jpg").write_bytes(encoded(large, "JPEG"))
    return tmp_path


def flags(place: Path, *more: str) -> tuple[str, ...]:
    return ("--workers=2", f"--source-dir={place}/pictures", f"--cache-dir={place}/cache", *more)


@pytest.fixture
def caching(place: Path) -> Iterator[Server]:
    with serving(*flags(place)) as server:
        yield server


def count(server: Server, name: str) -> float:
    with server.client() as client:
        families = text_string_to_metric_families(client.get("/metrics").text)
    return sum(one.value for family in families for one in family.samples if one.name == f"imgsrv_{name}_total")


def stored(server: Server, entries: int) -> None:
    """Wait until so many entries are in the store: an answer does not wait for it."""
    wait_until(lambda: count(server, "cache_stored") >= entries, f"{entries} entries are stored")


def entries(place: Path) -> list[Path]:
    return [file for file in (place / "cache").rglob("*") if file.is_file() and file.name != "usage"]


def test_the_second_answer_comes_from_the_cache(caching: Server) -> None:
    with caching.client() as client:
        first = client.get(URL)
        stored(caching, 1)
        second = client.get("/pipeline?source=file:photo.jpg&ops=resize:width=0200")
        assert first.headers["cache-status"] == "imgsrv; fwd=uri-miss; stored"
        assert second.headers["cache-status"] == "imgsrv; hit"
        assert second.content == first.content
        for name in ("content-type", "etag", "image-width", "image-height", "last-modified", "cache-control"):
            assert second.headers[name] == first.headers[name]
        assert second.headers["age"] == "0"
        assert second.headers["cache-control"] == "public, max-age=3600"
    assert count(caching, "jobs_submitted") == 1
    assert (count(caching, "cache_hits"), count(caching, "cache_misses")) == (1, 1)
    wait_until(lambda: {each.get("cache") for each in caching.named("request")} >= {"hit", "miss"}, "the log says so")


def test_a_client_that_has_the_picture_gets_304_without_an_engine(caching: Server) -> None:
    with caching.client() as client:
        etag = client.head(URL).headers["etag"]
        before = count(caching, "jobs_submitted")
        answer = client.get(URL, headers={"If-None-Match": f'"other", {etag}'})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
        assert answer.headers["cache-control"] == "public, max-age=3600"
        # The validator of another result of the same picture is another one.
        assert client.get(f"{URL}&quality=70", headers={"If-None-Match": etag}).status_code == 200
    assert count(caching, "jobs_submitted") == before + 1
    assert count(caching, "cache_not_modified") == 1


def test_a_validator_holds_where_nothing_is_kept(place: Path) -> None:
    with serving("--workers=1", f"--source-dir={place}/pictures") as server, server.client() as client:
        etag = client.get(URL).headers["etag"]
        assert client.get(URL, headers={"If-None-Match": etag}).status_code == 304
        assert "cache-status" not in client.get(URL).headers


def test_head_has_the_headers_of_get(caching: Server) -> None:
    with caching.client() as client:
        head, picture = client.head(URL), client.get(URL)
        assert head.content == b""
        for name in ("content-length", "content-type", "etag", "image-width"):
            assert head.headers[name] == picture.headers[name]


def test_an_automatic_format_is_kept_for_each_kind_of_client(caching: Server) -> None:
    with caching.client() as client:
        url = f"{URL}&format=auto"
        answers = [client.get(url, headers=headers) for headers in (CHROME, {"Accept": "*/*"}) for _ in range(2)]
        assert [answer.headers["vary"] for answer in answers] == ["Accept"] * 4
        kinds = [answer.headers["content-type"] for answer in answers]
        assert kinds == ["image/avif"] * 2 + ["image/jpeg"] * 2
        assert answers[0].headers["etag"] != answers[2].headers["etag"]
        unchanged = client.get(url, headers={**CHROME, "If-None-Match": answers[0].headers["etag"]})
        assert (unchanged.status_code, unchanged.headers["vary"]) == (304, "Accept")
    assert count(caching, "jobs_submitted") == 2


def test_a_changed_picture_is_computed_anew(caching: Server, place: Path) -> None:
    with caching.client() as client:
        before = client.get(URL)
        (place / "pictures/photo.jpg").write_bytes(encoded(sample("rocket.jpg"), "JPEG"))
        after = client.get(URL, headers={"If-None-Match": before.headers["etag"]})
        assert after.status_code == 200
        assert after.content != before.content


def test_a_request_may_ask_that_its_answer_is_kept_nowhere(caching: Server, place: Path) -> None:
    with caching.client() as client:
        answer = client.get(URL, headers={"Cache-Control": "no-store"})
        assert answer.headers["cache-status"] == "imgsrv; fwd=uri-miss"
        assert entries(place) == []


def test_errors_are_not_kept(caching: Server, place: Path) -> None:
    (place / "pictures/photo.jpg").write_bytes(PHOTO[:2000])
    with caching.client() as client:
        answer = client.get(URL)
        assert (answer.status_code, answer.headers["cache-control"]) == (422, "no-store")
        assert not {"etag", "last-modified", "age"} & answer.headers.keys()
        assert client.get(URL).status_code == 422
    assert entries(place) == []


def test_posts_are_kept_where_the_operator_says_so(place: Path) -> None:
    with serving(*flags(place, "--cache-posts")) as server, server.client() as client:
        first = client.post("/resize?width=100", content=PHOTO)
        stored(server, 1)
        second = client.post("/resize?width=100", content=PHOTO)
        assert second.headers["cache-status"] == "imgsrv; hit"
        assert second.content == first.content
        assert client.post("/resize?width=100", content=PHOTO + b"\0").headers["cache-status"] != "imgsrv; hit"
        form = client.post("/resize?width=100", files={"file": PHOTO})
        assert form.headers["cache-status"] == "imgsrv; hit"
        assert "etag" not in first.headers
        assert "cache-control" not in second.headers


def test_posts_pass_by_the_cache_without_that(caching: Server, place: Path) -> None:
    with caching.client() as client:
        assert client.post("/resize?width=100", content=PHOTO).headers["cache-status"] == "imgsrv; fwd=bypass"
    assert entries(place) == []


def test_the_cache_outlives_its_server(place: Path) -> None:
    with serving(*flags(place)) as server, server.client() as client:
        client.get(URL)
    with serving(*flags(place)) as server, server.client() as client:
        assert client.get(URL).headers["cache-status"] == "imgsrv; hit"


def ask(server: Server, url: str) -> httpx.Response:
    with server.client(60) as client:
        return client.get(url)


def test_equal_requests_over_all_workers_cost_one_job(caching: Server) -> None:
    with ThreadPoolExecutor(40) as threads:
        answers = list(threads.map(lambda _: ask(caching, SLOW), range(40)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert count(caching, "jobs_submitted") == 1
    assert count(caching, "cache_waits") + count(caching, "cache_hits") == 39


@pytest.mark.slow
def test_a_worker_that_is_killed_while_it_computes_is_followed_by_another(caching: Server) -> None:
    """The front that holds the lock dies: the clients of the other worker get their picture, computed once more."""
    with contextlib.ExitStack() as open_lines:
        lines = [open_lines.enter_context(caching.connect()) for _ in range(24)]
        fronts = {line: caching.front_of(line) for line in lines}
        assert len(set(fronts.values())) == 2
        request = f"GET {SLOW} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()
        first, *others = lines
        first.sendall(request)
        wait_until(lambda: count(caching, "jobs_begun") == 1, "the first one computes")
        for line in others:
            line.sendall(request)
        os.kill(fronts[first], signal.SIGKILL)
        answers = [answered(line) for line in others if fronts[line] != fronts[first]]
    assert {answer[:13] for answer in answers} == {b"HTTP/1.1 200 "}
    assert len({answer.partition(b"\r\n\r\n")[2] for answer in answers}) == 1
    # The second one is that of the front that follows; its engine may have been that of the dead worker.
    assert count(caching, "jobs_submitted") <= 3


def answered(line: socket.socket) -> bytes:
    """All that the server sends until it closes the connection."""
    line.settimeout(60)
    data = b""
    while piece := line.recv(65_536):
        data += piece
    return data


def test_workers_that_are_killed_while_they_write_leave_no_torn_entry(caching: Server, place: Path) -> None:
    stop = threading.Event()

    def asking(start: int) -> None:
        width = start
        while not stop.is_set():
            width += 1
            try:
                ask(caching, f"/resize?width={width}&source=file:photo.jpg")
            except httpx.HTTPError:
                continue

    threads = [threading.Thread(target=asking, args=(start,)) for start in (10, 1000)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        before = len(entries(place))
        wait_until(lambda before=before: len(entries(place)) > before + 3, "entries are written")  # type: ignore[misc]
        os.kill(caching.workers()[0], signal.SIGKILL)
        wait_until(lambda: len(caching.workers()) == 2, "the worker is replaced")
    stop.set()
    for thread in threads:
        thread.join()
    with caching.client() as client:
        for width in range(11, 21):
            answer = client.get(f"/resize?width={width}&source=file:photo.jpg")
            assert opened(answer.content).width == width
    assert count(caching, "cache_faults") == 0


# ---- faults of the folder -----------------------------------------------------------------------------


def test_a_damaged_entry_is_computed_anew(caching: Server, place: Path) -> None:
    with caching.client() as client:
        first = client.get(URL)
        stored(caching, 1)
        (file,) = entries(place)
        file.write_bytes(file.read_bytes()[:-100])
        second = client.get(URL)
        assert (second.content, second.headers["cache-status"]) == (first.content, "imgsrv; fwd=uri-miss; stored")
        stored(caching, 2)
        assert client.get(URL).headers["cache-status"] == "imgsrv; hit"
    assert count(caching, "cache_faults") == 1
    assert len(caching.named("cache_entry_refused")) == 1


def test_a_folder_that_is_deleted_under_way_changes_no_answer(caching: Server, place: Path) -> None:
    with caching.client() as client:
        client.get(URL)
        stored(caching, 1)
        shutil.rmtree(place / "cache")
        assert client.get(URL).status_code == 200
        wait_until(lambda: len(entries(place)) == 1, "it is made again")


def test_a_place_that_cannot_be_written_to_is_logged_once_and_changes_no_answer(place: Path) -> None:
    (place / "cache/v1").write_text("not a folder")
    with serving(*flags(place, "--workers=1")) as server, server.client() as client:
        for width in range(10, 15):
            assert client.get(f"/resize?width={width}&source=file:photo.jpg").status_code == 200
        wait_until(lambda: count(server, "cache_faults") >= 1, "the failure is counted")
        assert len(server.named("cache_unusable")) == 1
        assert count(server, "cache_stored") == 0


def test_a_full_folder_keeps_its_bound(place: Path) -> None:
    with serving(*flags(place, "--cache-size=1MB")) as server:
        with server.client() as client:
            for quality in range(40, 95):
                answer = client.get(f"/resize?width=500&quality={quality}&source=file:photo.jpg")
                assert answer.status_code == 200
        wait_until(lambda: count(server, "cache_stored") == 55, "everything is written")
        assert sum(file.stat().st_size for file in entries(place)) <= 1_000_000
        assert count(server, "cache_evicted") > 0


def test_a_result_beyond_the_bound_of_an_entry_is_not_kept(place: Path) -> None:
    with serving(*flags(place, "--cache-max-entry=1KB")) as server, server.client() as client:
        assert client.get(URL).status_code == 200
        assert client.get(URL).status_code == 200
        assert entries(place) == []
        assert count(server, "cache_refusals") == 2
