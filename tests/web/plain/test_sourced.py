"""The short way of a picture that the query names gives what the app gives: bytes, headers, counts and log."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import quote

import pytest
from far.origins import Answer as Far
from far.origins import Origin, ok, origin, redirect
from pictures import encoded, opened, sample
from servers.two_ways import check_alike, counted_and_logged
from serving import Server, serving
from wire import PNG, Answer, Wire, ask, chunked, head, post

from imgsrv.errors import OutOfMemoryBudget
from imgsrv.imaging.model.limits import Limits
from imgsrv.settings import Settings
from imgsrv.web.access.access import Access
from imgsrv.web.access.keys import make_key
from imgsrv.web.access.rates import parse_limit
from imgsrv.web.access.rules import Rules
from imgsrv.web.http.body import Body, Files
from imgsrv.web.http.host import Headers
from imgsrv.web.plain import sourced as sourced_pictures
from imgsrv.web.plain.sourced import Sourced
from imgsrv.web.plain.wishes import SourceWish, _source_wish
from imgsrv.web.sources import files as file_sources
from imgsrv.web.sources.files import Folder
from imgsrv.web.sources.naming import Source
from imgsrv.web.sources.opened import Validators
from imgsrv.web.state import RequestState
from imgsrv.web.upload import Upload

PHOTO = encoded(sample("coffee.jpg").resize((320, 261)), "JPEG", quality=85)
OTHER = encoded(sample("rocket.jpg").resize((320, 261)), "JPEG", quality=85)
KEY, TOKEN = make_key("shop", None, None, None, operator=False)
FEW, FEWS = make_key("few", parse_limit("1/day"), None, None, operator=False)
GREY, GREYS = make_key("grey", None, None, ("grey",), operator=False)
ORIGIN = "https://shop.example"
DATED = "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT"
OLD = 1_767_225_600
"""When the pictures were changed: longer ago than SETTLED_NS."""

RESIZE = "/resize?width=160&height=130&fit=fill"
FILE = f"{RESIZE}&source=file:photo.jpg"


def cut(connection: socket.socket, _request: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")


FAR: dict[str, Far] = {
    "/plain": ok(PHOTO),
    "/dated": ok(PHOTO, DATED, 'ETag: "a"', "Cache-Control: max-age=600", "Age: 7"),
    "/weak": ok(PHOTO, 'ETag: W/"a"', "Cache-Control: no-cache"),
    "/private": ok(PHOTO, 'ETag: "b"', "Cache-Control: private, max-age=60"),
    "/no-store": ok(PHOTO, "Cache-Control: no-store"),
    "/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked([PHOTO[:999], PHOTO[999:]]),
    "/there": redirect("/dated"),
    "/loop": redirect("/loop"),
    "/large": b"HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\n",
    "/html": ok(b"<html><body>Hello</body></html>"),
    "/cut": cut,
}

ASKED: dict[str, tuple[str, tuple[str, ...]]] = {
    "a-jpeg": (FILE, ()),
    "half-by-rounding": ("/resize?source=file:photo.jpg&width=160", ("Content-Type: image/jpeg",)),
    "a-png": ("/flip?source=file:logo.png", ("Accept: text/html;q=0.5",)),
    "another-format": ("/pipeline?ops=resize:width=80/grayscale&format=webp&source=file:photo.jpg", ()),
    "only-encoded": ("/pipeline?format=png&source=file%3Aphoto.jpg", ()),
    "a-line-of-text": ("/pipeline?format=blurhash&source=file:photo.jpg", ()),
    "in-a-folder": ("/flip?source=file:inner/%C3%A4+b%26c.png", ()),
    "by-a-link": ("/flip?source=file:link.png", ()),
    "by-its-accept": ("/resize?width=80&format=auto&source=file:photo.jpg", ("Accept: image/webp",)),
    "the-last-answer": (FILE, ("Connection: close",)),
    "a-form-without-a-body": (FILE, ("Content-Type: multipart/form-data; boundary=x",)),
    "in-a-coding-without-a-body": (FILE, ("Content-Encoding: br",)),
    "another-version": (FILE, ('If-None-Match: "other"',)),
    "changed-since": (FILE, ("If-Modified-Since: Thu, 01 Jan 2037 00:00:00 GMT",)),
    "kept-nowhere": (FILE, ("Cache-Control: no-store",)),
    "from-another-origin": (FILE, (f"Origin: {ORIGIN}",)),
    "from-a-strange-origin": (FILE, ("Origin: https://other.example",)),
    "cut-off": ("/flip?source=file:cut.jpg", ()),
    "cut-off-and-accepted": ("/flip?source=file:cut.jpg&broken=accept", ()),
    "no-picture": ("/flip?source=file:notes.txt", ()),
    "empty": ("/flip?source=file:empty.jpg", ()),
    "too-large": ("/flip?source=file:large.jpg", ()),
    "too-many-pixels": ("/resize?width=9000&height=9000&fit=fill&enlarge=true&source=file:photo.jpg", ()),
    "does-not-fit": ("/crop?left=400&width=10&height=10&source=file:photo.jpg", ()),
    "missing": ("/flip?source=file:nothing.jpg", ()),
    "a-folder": ("/flip?source=file:inner", ()),
    "a-fifo": ("/flip?source=file:fifo.jpg", ()),
    "outside": ("/flip?source=file:outside.jpg", ()),
    "upwards": ("/flip?source=file:../photo.jpg", ()),
    "absolute": ("/flip?source=file:/etc/passwd", ()),
    "unknown-kind": ("/flip?source=ftp:photo.jpg", ()),
    "no-utf-8": ("/flip?source=file:%ff.jpg", ()),
    "not-allowed": ("/flip?source=upload:abc", ()),
    "two-sources": ("/flip?source=file:photo.jpg&source=file:logo.png", ()),
    "a-part": ("/watermark?part=logo&source=file:photo.jpg&source.logo=file:logo.png", ()),
    "an-unused-part": ("/flip?source=file:photo.jpg&source.logo=file:logo.png", ()),
    "a-missing-part": ("/watermark?part=logo&source=file:photo.jpg", ()),
    "an-unknown-parameter": ("/resize?breadth=80&source=file:photo.jpg", ()),
    **{f"far-{path[1:]}": (f"{RESIZE}&source={{{path}}}", ()) for path in (*FAR, "/nothing")},
    "far-and-not-allowed": ("/flip?source=http://127.0.0.1:1/a.jpg", ()),
}
"""Targets and headers; `{PATH}` stands for the URL of the path on the origin."""

GUARDED: dict[str, tuple[str, ...]] = {
    "with-a-key": (f"X-API-Key: {TOKEN}",),
    "without-a-key": (),
    "with-a-strange-key": ("Authorization: Bearer nobody",),
    "for-presets-only": (f"X-API-Key: {GREYS}",),
    "from-another-origin": (f"Origin: {ORIGIN}", f"X-API-Key: {TOKEN}"),
    "a-limit": (f"X-API-Key: {FEWS}",),
    "behind-a-proxy": (f"X-API-Key: {TOKEN}", "X-Forwarded-For: 192.0.2.7"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("pictures")
    (made / "inner").mkdir()
    for name, content in {
        "photo.jpg": PHOTO,
        "logo.png": PNG,
        "inner/ä b&c.png": PNG,
        "cut.jpg": PHOTO[:4000],
        "notes.txt": b"no picture",
        "empty.jpg": b"",
        "large.jpg": bytes(100_001),
    }.items():
        (made / name).write_bytes(content)
        os.utime(made / name, (OLD, OLD))
    (made / "link.png").symlink_to("logo.png")
    (made / "outside.jpg").symlink_to("/etc/passwd")
    os.mkfifo(made / "fifo.jpg")
    return made


@pytest.fixture(scope="module")
def far() -> Iterator[Origin]:
    with origin(FAR) as made:
        yield made


def flags(folder: Path, far: Origin) -> list[str]:
    return [
        *("--workers=1", "--max-pixels=1000000", "--max-body=100000", f"--cors-origins={ORIGIN}"),
        *(f"--source-dir={folder}", f"--source-http={far.url}", "--source-private-addresses=127.0.0.1"),
    ]


@pytest.fixture(scope="module")
def naming(folder: Path, far: Origin) -> Iterator[Server]:
    with serving(*flags(folder, far)) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(folder: Path, far: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    keys = tmp_path_factory.mktemp("plain") / "keys"
    keys.write_text(f"{KEY}\n{FEW}\n{GREY}\n")
    limits = ("--key-limit", "100/day", "--key-work", "100/day")
    more = (f"--keys-file={keys}", "--trusted-proxies", "127.0.0.1", "--presets=grey=ops=grayscale")
    with serving(*flags(folder, far), *limits, *more) as running:
        yield running


def asked(far: Origin, name: str) -> tuple[str, tuple[str, ...]]:
    target, headers = ASKED[name]
    before, _, path = target.partition("{")
    return (before + quote(far.url + path[:-1], safe="") if path else before), headers


def both(server: Server, target: str, headers: tuple[str, ...], method: str = "GET") -> tuple[Answer, Answer]:
    """The answers of the short way and of the app, which takes two slashes at the beginning for one."""
    short, long = (sent(server, path, headers, method) for path in (target, f"/{target}"))
    return short, long


def sent(server: Server, target: str, headers: tuple[str, ...] = (), method: str = "GET") -> Answer:
    with Wire(server) as wire:
        wire.send(head(target, *headers, "X-Request-Id: mine", method=method))
        return wire.answer(has_body=method != "HEAD")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("name", ASKED)
def test_both_ways_give_one_answer(naming: Server, far: Origin, name: str, method: str) -> None:
    short, long = both(naming, *asked(far, name), method)
    check_alike(short, long)
    assert "content-length" in short.headers


@pytest.mark.parametrize("target", [FILE, f"{RESIZE}&source={{/dated}}"])
@pytest.mark.parametrize("name", GUARDED)
def test_both_ways_ask_who_it_is(guarded: Server, far: Origin, name: str, target: str) -> None:
    target = target.replace("{/dated}", quote(f"{far.url}/dated", safe=""))
    if name == "a-limit":
        sent(guarded, target, GUARDED[name])
    short, long = both(guarded, target, GUARDED[name])
    if name == "a-limit":
        assert short.status == 429
    check_alike(short, long)
    if short.status == 200:
        assert short.headers["cache-control"].startswith("private, max-age=")


def test_both_ways_say_why_a_key_for_presets_is_refused(guarded: Server) -> None:
    for target in ("/pipeline?ops=flip&source=file:photo.jpg", "/pipeline?preset=grey&source=file:photo.jpg"):
        check_alike(*both(guarded, target, (f"X-API-Key: {GREYS}",)))


def test_who_has_the_picture_gets_304_on_both_ways(naming: Server) -> None:
    etag = sent(naming, FILE).headers["etag"]
    short, long = both(naming, FILE, (f"If-None-Match: {etag}",))
    assert short.status == 304
    check_alike(short, long)


def test_a_source_beside_a_body_is_refused_on_both_ways(naming: Server) -> None:
    for method in ("GET", "POST"):
        short, long = (
            ask(naming, head(path, "Content-Length: 3", "X-Request-Id: a", method=method) + b"abc")
            for path in (FILE, f"/{FILE}")
        )
        assert short.status == 400
        check_alike(short, long)
    check_alike(*(ask(naming, post(path, b"", "X-Request-Id: a")) for path in (FILE, f"/{FILE}")))


def test_what_is_counted_and_logged_is_alike(naming: Server, far: Origin) -> None:
    names = ("a-jpeg", "a-png", "missing", "too-large", "no-picture", "cut-off-and-accepted", "far-dated", "far-cut")
    found = []
    for slash in ("", "/"):
        requests = [
            partial(sent, naming, slash + target, headers, method)
            for target, headers in (asked(far, name) for name in names)
            for method in ("GET", "HEAD")
        ]
        found.append(counted_and_logged(naming, requests))
    assert found[0] == found[1]
    assert {event["source_bytes"] for event in found[0][1] if event["status"] == 200} >= {len(PHOTO), len(PNG)}


def test_a_changed_picture_is_read_anew(naming: Server, folder: Path) -> None:
    file = folder / "changing.jpg"
    target = "/resize?width=80&source=file:changing.jpg"
    etags = set()
    for content in (PHOTO, OTHER, PHOTO):
        # Of the same length and with the same time: the time of the inode tells them apart.
        file.write_bytes(content.ljust(max(len(PHOTO), len(OTHER)), b"\0"))
        os.utime(file, (OLD, OLD))
        answers = [sent(naming, target) for _ in range(3)]
        posted = ask(naming, post("/resize?width=80", content))
        assert {answer.body for answer in answers} == {posted.body}
        etags |= {answer.headers["etag"] for answer in answers}
    assert len(etags) == 3


def test_many_at_once_get_their_own_pictures(naming: Server) -> None:
    """Files of bodies are used again for bodies of the same bytes, and for others."""
    expected = {
        target: ask(naming, request)
        for target, request in {
            FILE: post(RESIZE, PHOTO),
            "/flip?source=file:logo.png": post("/flip", PNG),
            "/grayscale?source=file:photo.jpg": post("/grayscale", PHOTO),
        }.items()
    }
    for _ in range(4):
        wires = {target: Wire(naming) for target in expected}
        for target, wire in wires.items():
            wire.send(head(target, method="GET"))
        for target, wire in wires.items():
            with wire:
                assert wire.answer().body == expected[target].body
        assert opened(ask(naming, post("/flip", PNG)).body).size == (2, 2)


# ---- parts of it --------------------------------------------------------------------------------------


def test_the_queries_that_are_plain() -> None:
    plain = {name for name, (target, _headers) in ASKED.items() if is_plain(target)}
    assert set(ASKED) - plain == {
        *("by-its-accept", "unknown-kind", "no-utf-8", "two-sources", "a-part", "an-unused-part", "a-missing-part"),
        "an-unknown-parameter",
    }
    assert not is_plain("/flip")


def is_plain(target: str) -> bool:
    path, _, query = target.partition("?")
    return isinstance(_source_wish(path, query.replace("{", "http://a").replace("}", "").encode()), SourceWish)


@pytest.fixture
def files() -> Iterator[Files]:
    """The files of bodies, with a budget of 300 kB."""

    def check(size: int) -> None:
        if size > 300_000:
            raise OutOfMemoryBudget("the budget is full", 1)

    found = Files(cast("Any", SimpleNamespace(check=check, grow_body=check, release_body=lambda _size: None)))
    yield found
    for file in found._kept:
        os.close(file)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    file = tmp_path / "photo.jpg"
    file.write_bytes(PHOTO)
    return file


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files count as settled that a test has just made."""
    monkeypatch.setattr(file_sources, "SETTLED_NS", -1)


def taken(files: Files, file: Path, limit: int = 1_000_000) -> tuple[Body, Validators | None]:
    body = Body(cast("Any", None), files, 0)
    return body, Folder(str(file.parent), "--source-dir").take_now(Source("file", file.name), body, limit)


def contents(body: Body) -> bytes:
    return os.pread(body.file, body.received, 0)


def test_a_file_is_read_at_once_with_the_identity_that_opening_gives(files: Files, photo: Path) -> None:
    body, validators = taken(files, photo)
    usual = asyncio.run(Folder(str(photo.parent), "").open(Source("file", photo.name), None, cast("Any", None)))
    assert (contents(body), body.fetched) == (PHOTO, len(PHOTO))
    assert validators == usual.validators
    asyncio.run(usual.close())
    body.close()


@pytest.mark.usefixtures("settled")
def test_a_picture_that_a_kept_file_holds_is_not_read_again(
    files: Files, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body, validators = taken(files, photo)
    file = body.file
    body.close()
    monkeypatch.setattr(file_sources, "_read_cached", lambda *_: pytest.fail("it is read"))
    again, told = taken(files, photo)
    assert (again.file, contents(again), again.fetched, told) == (file, PHOTO, len(PHOTO), validators)
    another, nothing = taken(files, photo, limit=len(PHOTO) - 1)
    assert nothing is None
    again.close()
    another.close()


@pytest.mark.usefixtures("settled")
def test_a_kept_file_holds_what_was_written_last(files: Files, photo: Path) -> None:
    for change in ("other-bytes", "another-body", "an-engine"):
        body, _validators = taken(files, photo)
        if change == "another-body":
            body.put(b"more", is_last=True)
        elif change == "an-engine":
            body.append(b"plan")  # an engine may still read it, so that it is not kept
        body.close()
        if change == "other-bytes":
            photo.write_bytes(OTHER)
        assert files.take_holding(_identity_of(photo)) is None
        photo.write_bytes(PHOTO)


def _identity_of(file: Path) -> str:
    return str(file_sources._identity(file.stat()))


def test_a_file_that_was_changed_a_moment_ago_is_read_again(files: Files, photo: Path) -> None:
    body, validators = taken(files, photo)
    assert validators is not None
    body.close()
    assert files.take_holding(_identity_of(photo)) is None


def test_a_file_that_must_be_waited_for_goes_the_usual_way(files: Files, photo: Path) -> None:
    with photo.open("ab") as file:
        file.write(bytes(200_000))
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    body, validators = taken(files, photo)
    if validators is not None:
        pytest.skip("this file system keeps every file in memory")
    assert (body.received, body.fetched) == (0, 0)
    body.close()


def test_a_file_without_room_for_it_goes_the_usual_way(files: Files, photo: Path) -> None:
    for content, limit in ((PHOTO, len(PHOTO) - 1), (bytes(300_001), 1_000_000), (b"", 1_000_000)):
        photo.write_bytes(content)
        body, validators = taken(files, photo, limit)
        assert (validators, body.received, body.fetched) == (None, 0, 0)
        body.close()


def sourced(files: Files, folder: Path) -> tuple[Sourced, Callable[[str], tuple[Upload, Headers]]]:
    """What takes pictures from the folder, and a function that takes one by its query."""
    place, settings = Folder(str(folder), "--source-dir"), Settings(source_dir=str(folder))
    services = SimpleNamespace(
        origins=SimpleNamespace(take_now=place.take_now),
        cache=SimpleNamespace(key_of=lambda identity, asked: f"{identity} {asked}".encode()),
        limits=Limits(),
        max_body=1_000_000,
        settings=settings,
    )
    found = Sourced(Access(Rules(), cast("Any", None), settings), cast("Any", services))

    def take(query: str) -> tuple[Upload, Headers]:
        body, wish = Body(cast("Any", None), files, 0), _source_wish("/resize", query.encode())
        assert wish is not None
        try:
            return asyncio.run(found.take(RequestState("a", body, 0.0), wish))
        finally:
            body.close()

    return found, take


@pytest.mark.usefixtures("settled")
def test_what_is_known_of_a_picture_is_not_found_out_again(
    files: Files, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _found, take = sourced(files, photo.parent)
    queries = [f"width={width}&source=file:photo.jpg" for width in (80, 90)]
    first = [take(query) for query in queries]
    monkeypatch.setattr(sourced_pictures, "check_upload", lambda *_: pytest.fail("it is checked"))
    assert [take(query) for query in queries] == first
    assert first[0][0].facts == first[1][0].facts
    assert dict(first[0][1])[b"etag"] != dict(first[1][1])[b"etag"]
    monkeypatch.undo()
    monkeypatch.setattr(file_sources, "SETTLED_NS", -1)
    photo.write_bytes(OTHER)
    assert take(queries[0])[0].facts.file_bytes == len(OTHER)


@pytest.mark.usefixtures("settled")
def test_a_worker_knows_a_bounded_number_of_results(files: Files, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sourced_pictures, "MOST_KNOWN", 3)
    found, take = sourced(files, photo.parent)
    for width in (80, 81, 82, 80, 83):
        take(f"width={width}&source=file:photo.jpg")
    known = [asked for _content, asked in found._known]
    assert [width for width in (80, 81, 82, 83) if any(f"width={width}" in asked for asked in known)] == [80, 82, 83]


def test_nothing_is_remembered_of_a_file_that_was_changed_a_moment_ago(files: Files, photo: Path) -> None:
    found, take = sourced(files, photo.parent)
    assert take("width=80&source=file:photo.jpg") == take("width=80&source=file:photo.jpg")
    assert not found._known
