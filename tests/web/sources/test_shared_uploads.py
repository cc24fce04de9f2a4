"""Uploads of several servers that share a store: Redis or a bucket, and what clients meet when it fails."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from far.origins import Answer, origin
from pictures import encoded, picture, sample
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families
from servers.ports import free_port
from servers.redis_server import RedisServer, redis_server
from servers.s3_server import s3_server
from servers.slow_line import slow_line
from serving import Server, serving, wait_until

from imgsrv.errors import UploadsFull
from imgsrv.web.access.keys import make_key
from imgsrv.web.sources.naming import Source
from imgsrv.web.sources.opened import Asker
from imgsrv.web.sources.uploads.bucket import BucketUploads
from imgsrv.web.sources.uploads.ids import UploadName, name_of, new_id
from imgsrv.web.sources.uploads.store import Bounds, Content
from imgsrv.web.stores.bucket import Bucket, BucketFailed

LOGO = encoded(picture("RG/BY"), "PNG")
PHOTO = encoded(sample("coffee.jpg"), "JPEG", quality=90)
NOISE = encoded(Image.fromarray(np.random.default_rng(1).integers(0, 256, (900, 1200, 3), np.uint8)), "PNG")
"""3 MB: it comes to Redis in several pieces."""

SHOP, SHOPS = make_key("shop", None, None, None, operator=False)
BLOG, BLOGS = make_key("blog", None, None, None, operator=False)

PROGRAM = (sys.executable, "-m", "imgsrv")


@dataclass(frozen=True)
class Store:
    """A store and how servers use it."""

    kind: str
    flags: tuple[str, ...]
    environment: Mapping[str, str]

    def server(self, *more: str) -> Any:
        return serving("--workers=1", *self.flags, *more, environment=dict(self.environment))


@contextmanager
def running_store(kind: str, folder: Path) -> Iterator[Store]:
    if kind == "redis":
        pytest.importorskip("redis", reason="the extra redis is not installed")
        with redis_server(folder) as redis:
            yield Store(kind, (f"--uploads={redis.url}",), {})
    else:
        pytest.importorskip("obstore", reason="the extra s3 is not installed")
        with s3_server() as environment:
            yield Store(kind, ("--uploads=s3://cache/pictures",), environment)


@pytest.fixture(params=["redis", "bucket"], scope="module")
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with running_store(request.param, tmp_path_factory.mktemp("store")) as made:
        yield made


@pytest.fixture(scope="module")
def machines(store: Store) -> Iterator[tuple[Server, Server]]:
    """Two servers with one store."""
    with store.server("--max-body=8MB") as one, store.server("--max-body=8MB") as other:
        yield one, other


@pytest.fixture
def clients(machines: tuple[Server, Server]) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    with machines[0].client() as one, machines[1].client() as other:
        yield one, other


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    pytest.importorskip("redis", reason="the extra redis is not installed")
    with redis_server(tmp_path) as server:
        yield server


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def metric(client: httpx.Client, name: str) -> float:
    families = text_string_to_metric_families(client.get("/metrics").text)
    return sum(one.value for family in families for one in family.samples if one.name == f"imgsrv_{name}_total")


# ---- two machines -------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [LOGO, PHOTO, NOISE], ids=["small", "photo", "in-pieces"])
def test_an_upload_on_one_machine_is_served_and_removed_by_the_other(
    clients: tuple[httpx.Client, httpx.Client], content: bytes
) -> None:
    one, other = clients
    made = one.post("/uploads", content=content)
    kept = made.json()
    place = f"/uploads/{kept['id']}"

    assert made.status_code == 201, made.text
    assert made.headers["location"] == place
    assert kept["size"] == len(content)
    for client in clients:
        answer = client.get(f"/resize?width=60&source={kept['source']}")
        assert answer.content == client.post("/resize?width=60", content=content).content
        assert answer.headers["cache-control"].startswith(("max-age=", "private, max-age=", "public, max-age="))
        assert client.head(f"/flip?source={kept['source']}").status_code == 200
        assert client.get(place).json() == {name: kept[name] for name in ("id", "source", "size", "expires")}
    assert other.delete(place).status_code == 204
    for client in clients:
        for answer in (client.get(place), client.delete(place), client.get(f"/flip?source={kept['source']}")):
            assert problem(answer) == (404, "source_not_found")


def test_the_page_is_told_that_uploads_are_kept(clients: tuple[httpx.Client, httpx.Client]) -> None:
    assert clients[0].get("/operations").json()["uploads"] is True


def test_an_upload_may_be_a_part(clients: tuple[httpx.Client, httpx.Client]) -> None:
    one, other = clients
    photo, logo = (one.post("/uploads", content=data).json()["source"] for data in (PHOTO, LOGO))

    answer = other.get(f"/watermark?source={photo}&source.watermark={logo}")

    assert answer.content == other.post("/watermark", files={"file": PHOTO, "watermark": LOGO}).content


@pytest.mark.parametrize("upload", ["nothing", "../../x", "A" * 32, "A" * 24 + "e3b0c442", "a" * 4000])
def test_an_id_that_was_not_given_out_is_answered_404(clients: tuple[httpx.Client, httpx.Client], upload: str) -> None:
    assert clients[0].get(f"/flip?source=upload:{upload}").status_code in (400, 404)
    assert clients[0].get(f"/uploads/{upload}").status_code == 404
    assert clients[0].delete(f"/uploads/{upload}").status_code == 404


def test_what_is_no_picture_or_too_large_is_not_kept(clients: tuple[httpx.Client, httpx.Client]) -> None:
    before = metric(clients[0], "upload_store_failures")
    assert problem(clients[0].post("/uploads", content=b"no picture")) == (415, "unsupported_format")
    assert problem(clients[0].post("/uploads", content=bytes(9_000_000))) == (413, "body_too_large")
    assert metric(clients[0], "upload_store_failures") == before


def test_an_upload_ends_on_every_machine(store: Store) -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(store.server("--uploads-ttl-s=3")) for _ in range(2)]
        clients = [stack.enter_context(server.client()) for server in servers]
        kept = clients[0].post("/uploads", content=LOGO).json()
        assert clients[1].get(f"/flip?source={kept['source']}").status_code == 200
        for client in clients:
            wait_until(partial(_is_gone, client, kept["id"]), "it ends")
            assert problem(client.get(f"/flip?source={kept['source']}")) == (404, "source_not_found")


def _is_gone(client: httpx.Client, upload: str) -> bool:
    return client.get(f"/uploads/{upload}").status_code == 404


def test_every_key_has_its_own_uploads_and_bounds_over_all_machines(store: Store, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"{SHOP}\n{BLOG}\n")
    flags = (f"--keys-file={keys}", "--uploads-max-count=10")
    with ExitStack() as stack:
        servers = [stack.enter_context(store.server(*flags)) for _ in range(2)]

        def upload(number: int) -> tuple[int, str]:
            with servers[number % 2].client() as client:
                answer = client.post("/uploads", content=LOGO, headers=_bearer(SHOPS))
                return answer.status_code, answer.json().get("id", answer.json().get("code"))

        with ThreadPoolExecutor(4) as threads:
            outcomes = list(threads.map(upload, range(24)))
        kept = [told for status, told in outcomes if status == 201]
        assert {told for status, told in outcomes if status != 201} == {"uploads_full"}
        # Uploads that come to a bucket at one moment may refuse each other, and are never too many.
        assert len(kept) == 10 if store.kind == "redis" else 1 <= len(kept) <= 10
        while store.kind == "bucket" and len(kept) < 10:
            status, told = upload(0)
            assert status == 201
            kept.append(told)
        assert {upload(number) for number in (0, 1)} == {(507, "uploads_full")}

        with servers[1].client() as client:
            assert problem(client.get(f"/uploads/{kept[0]}", headers=_bearer(BLOGS))) == (404, "source_not_found")
            assert problem(client.delete(f"/uploads/{kept[0]}", headers=_bearer(BLOGS))) == (404, "source_not_found")
            assert client.post("/uploads", content=LOGO, headers=_bearer(BLOGS)).status_code == 201
            assert client.delete(f"/uploads/{kept[0]}", headers=_bearer(SHOPS)).status_code == 204
        assert upload(0)[0] == 201


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_kept_result_of_an_upload_is_a_hit_on_the_other_machine(redis: RedisServer) -> None:
    store = Store("redis", (f"--uploads={redis.url}", f"--cache-url={redis.url}", "--cache-timeout-s=5"), {})
    with store.server() as one, store.server() as other, one.client() as first, other.client() as second:
        kept = first.post("/uploads", content=PHOTO).json()
        target = f"/resize?width=90&source={kept['source']}"
        made = first.get(target)
        wait_until(lambda: metric(first, "cache_stored") == 1, "the result is kept")
        hit = second.get(target)
        assert (hit.headers["cache-status"], hit.content) == ("imgsrv; hit", made.content)
        purged = subprocess.run(
            [*PROGRAM, "cache", "purge", f"--cache-url={redis.url}"], check=True, capture_output=True, text=True
        )
        assert "removed 1" in purged.stdout
        assert second.get(f"/uploads/{kept['id']}").status_code == 200
        second.delete(f"/uploads/{kept['id']}")
        assert problem(first.get(target)) == (404, "source_not_found")


def test_a_body_that_is_cut_in_the_middle_leaves_nothing(redis: RedisServer) -> None:
    with serving("--workers=1", f"--uploads={redis.url}") as server, server.client() as client:
        line = server.connect()
        head = f"POST /uploads HTTP/1.1\r\nHost: a\r\nContent-Length: {len(NOISE)}\r\n\r\n"
        line.sendall(head.encode() + NOISE[: len(NOISE) // 2])
        line.close()
        wait_until(lambda: 'code="client_gone"} 1.0' in client.get("/metrics").text, "the server has noticed")
        assert redis.values() == 0


# ---- a store that fails -------------------------------------------------------------------------------


def test_a_redis_may_go_and_come_and_costs_only_those_who_ask_for_uploads(redis: RedisServer) -> None:
    with serving("--workers=1", f"--uploads={redis.url}") as server, server.client() as client:
        kept = client.post("/uploads", content=LOGO).json()
        redis.stop()
        _all_refused(client, kept)
        assert client.post("/flip", content=LOGO).status_code == 200
        assert len(server.named("upload_store_down")) == 1
        assert metric(client, "upload_store_failures") == 4
        redis.start()
        wait_until(lambda: client.post("/uploads", content=LOGO).status_code == 201, "it keeps uploads again")
        assert len(server.named("upload_store_back")) == 1
        # It has started empty.
        assert problem(client.get(f"/flip?source={kept['source']}")) == (404, "source_not_found")


def _all_refused(client: httpx.Client, kept: Mapping[str, str]) -> None:
    """Every question about uploads is refused with its code, and says nothing of the store."""
    answers = {
        "cannot_keep_uploads": (client.post("/uploads", content=LOGO), client.delete(f"/uploads/{kept['id']}")),
        "uploads_unavailable": (client.get(f"/uploads/{kept['id']}"), client.get(f"/flip?source={kept['source']}")),
    }
    for code, given in answers.items():
        for answer in given:
            assert problem(answer) == (503, code), answer.text
            assert int(answer.headers["retry-after"]) > 0
            assert "127.0.0.1" not in answer.text


SOME = {"id": "A" * 24 + "e3b0c442", "source": "upload:" + "A" * 24 + "e3b0c442"}


def test_a_server_starts_without_its_store_and_says_no_password() -> None:
    pytest.importorskip("redis", reason="the extra redis is not installed")
    url = f"redis://:s3cr3t@127.0.0.1:{free_port()}"
    with serving("--workers=1", f"--uploads={url}") as server, server.client() as client:
        _all_refused(client, SOME)
        (event,) = server.named("upload_store_down")
        assert "s3cr3t" not in json.dumps(event)


def test_a_redis_that_hangs_is_cut_off_and_others_are_served_meanwhile(redis: RedisServer) -> None:
    flags = (f"--uploads={redis.url}", "--uploads-timeout-s=3")
    with serving("--workers=1", *flags) as server, server.client() as client, ThreadPoolExecutor(4) as threads:
        kept = client.post("/uploads", content=LOGO).json()
        before = redis.values()
        assert redis.process is not None
        redis.process.send_signal(signal.SIGSTOP)
        try:
            waiting = [
                threads.submit(httpx.post, f"{server.url}/uploads", content=LOGO, timeout=60),
                threads.submit(httpx.get, f"{server.url}/flip?source={kept['source']}", timeout=60),
            ]
            assert client.post("/flip", content=LOGO).status_code == 200
            assert not any(each.done() for each in waiting)
            codes = [problem(each.result(60)) for each in waiting]
        finally:
            redis.process.send_signal(signal.SIGCONT)
        assert codes == [(503, "cannot_keep_uploads"), (503, "uploads_unavailable")]
        wait_until(lambda: client.get(f"/flip?source={kept['source']}").status_code == 200, "it works again")
        # Redis performs the refused upload when it wakes up; it must not count until its end.
        wait_until(lambda: redis.values() == before, "the refused upload is removed")


def test_a_redis_that_takes_50_ms_for_each_command_is_used(redis: RedisServer) -> None:
    with slow_line(redis.port, 0.05) as line:
        flags = ("--workers=1", f"--uploads=redis://127.0.0.1:{line.port}/0")
        with serving(*flags) as one, serving(*flags) as other, one.client() as first, other.client() as second:
            kept = first.post("/uploads", content=NOISE).json()
            answer = second.get(f"/resize?width=60&source={kept['source']}")
            assert answer.content == second.post("/resize?width=60", content=NOISE).content


def test_a_full_redis_is_answered_507_and_serves_what_it_has(tmp_path: Path) -> None:
    pytest.importorskip("redis", reason="the extra redis is not installed")
    flags = ("--maxmemory", "8mb", "--maxmemory-policy", "noeviction")
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server(tmp_path, *flags))
        server = stack.enter_context(serving("--workers=1", f"--uploads={redis.url}"))
        with server.client() as client:
            kept = client.post("/uploads", content=LOGO).json()
            answers = [client.post("/uploads", content=NOISE) for _ in range(4)]
            assert problem(answers[-1]) == (507, "upload_store_full")
            assert "retry-after" in answers[-1].headers
            assert client.get(f"/flip?source={kept['source']}").status_code == 200
            for answer in answers:
                if answer.status_code == 201:
                    assert client.delete(answer.headers["location"]).status_code == 204
            # What was begun of the refused ones is removed meanwhile.
            wait_until(lambda: client.post("/uploads", content=NOISE).status_code == 201, "there is room again")


def test_a_wrong_password_and_missing_rights_are_said_in_the_log(tmp_path: Path) -> None:
    pytest.importorskip("redis", reason="the extra redis is not installed")
    rights = ("--user", "reader", "on", ">pass", "~*", "+get", "+getrange", "+hello", "+client")
    with redis_server(tmp_path, "--requirepass", "right", *rights) as redis:
        for user, told in ((":wr0ng", "WRONGPASS"), ("reader:pass", "NOPERM"), ("", "NOAUTH")):
            url = redis.url.replace("//", f"//{user}@") if user else redis.url
            with serving("--workers=1", f"--uploads={url}") as server, server.client() as client:
                _all_refused(client, SOME)
                (event,) = server.named("upload_store_down")
                assert "wr0ng" not in json.dumps(event)
                assert told in event["reason"] or "uthentication" in event["reason"] or "ermission" in event["reason"]


def test_a_bucket_that_is_gone_is_answered_503_and_serves_again_elsewhere() -> None:
    pytest.importorskip("obstore", reason="the extra s3 is not installed")
    with s3_server() as environment:
        missing = ("--workers=1", "--uploads=s3://missing/pictures")
        with serving(*missing, environment=environment) as server, server.client() as client:
            assert problem(client.post("/uploads", content=LOGO)) == (503, "cannot_keep_uploads")
            assert problem(client.get(f"/flip?source={SOME['source']}")) == (404, "source_not_found")
        there = ("--workers=1", "--uploads=s3://cache/pictures", "--uploads-timeout-s=5")
        server = Server(*there, environment=environment).wait_ready()
    try:
        with server.client(60) as client:
            _all_refused(client, SOME)
    finally:
        server.stop()


def silent_for_ever(connection: socket.socket, _request: bytes) -> None:
    connection.recv(1)


REFUSED = b"<Error><Code>AccessDenied</Code><Message>s3cr3t</Message></Error>"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 403 No\r\nContent-Length: %d\r\n\r\n" % len(REFUSED) + REFUSED, id="refuses"),
        pytest.param(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", id="fails"),
        pytest.param(b"-ERR no bucket\r\n", id="garbage"),
        pytest.param(silent_for_ever, id="silent"),
    ],
)
def test_a_bucket_that_does_not_do_what_it_should_is_answered_503(answer: Answer) -> None:
    pytest.importorskip("obstore", reason="the extra s3 is not installed")
    with origin({}) as place:
        place.answers = _Everywhere(answer)
        environment = {
            "AWS_ENDPOINT_URL": place.url,
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
            "AWS_REGION": "us-east-1",
        }
        flags = ("--workers=1", "--uploads=s3://photos", "--uploads-timeout-s=1")
        with serving(*flags, environment=environment) as server, server.client(60) as client:
            _all_refused(client, SOME)
            assert client.post("/flip", content=LOGO).status_code == 200


class _Everywhere(dict[str, Answer]):
    """The same answer for each path."""

    def __init__(self, answer: Answer) -> None:
        super().__init__({"/": answer})

    def get(self, _path: str, _default: Any = None) -> Any:
        return self["/"]


# ---- a bucket by itself -------------------------------------------------------------------------------


def named(owner: str = "") -> UploadName:
    asker = Asker(owner)
    return name_of(Source("upload", new_id(asker)), asker)


def test_what_has_ended_in_a_bucket_is_refused_and_removed_by_who_meets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("obstore", reason="the extra s3 is not installed")
    now = [time.time()]
    with s3_server() as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        bucket = Bucket("s3://cache/pictures", 30.0)
        uploads = BucketUploads(bucket, Bounds(60.0, 2, 1000), lambda: now[0])
        file = os.memfd_create("test")
        os.write(file, LOGO)
        content = Content(file, 0, len(LOGO))

        async def scenario() -> None:
            first, second = named(), named()
            for name in (first, second):
                await uploads.keep(name, content)
            with pytest.raises(UploadsFull):
                await uploads.keep(named(), content)
            assert len(await bucket.listed("uploads/")) == 2

            now[0] += 3600
            assert await uploads.open(first) is None
            assert len(await bucket.listed("uploads/")) == 1
            # The next upload of the owner makes room of the other one.
            third = named()
            await uploads.keep(third, content)
            (left,) = await bucket.listed("uploads/")
            assert left["path"].endswith(third.digest)

        async def foreign() -> None:
            strange = named("web")
            await bucket.ask(lambda store: store.put_async(f"uploads/v1/{strange.owner}/{strange.digest}", b"x"))
            with pytest.raises(BucketFailed, match="when it ends"):
                await uploads.find(strange)

        asyncio.run(scenario())
        asyncio.run(foreign())
        os.close(file)


def test_a_folder_and_a_store_together_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("redis", reason="the extra redis is not installed")
    words = [*PROGRAM, "config", "--check", f"--uploads-dir={tmp_path}", "--uploads=redis://127.0.0.1/0"]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "leave one of the two out" in done.stderr
