"""The short way of a picture in a body gives what the app gives: bytes, headers, counts and log."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from functools import partial

import pytest
from pictures import encoded, sample
from servers.two_ways import check_alike, counted_and_logged
from serving import Server, serving
from wire import PNG, Answer, Wire, ask, chunked, head, post

from imgsrv.web.access.keys import make_key
from imgsrv.web.access.rates import parse_limit
from imgsrv.web.plain.wishes import READERS, _body_wish

PHOTO = encoded(sample("coffee.jpg").resize((320, 261)), "JPEG", quality=85)
KEY, TOKEN = make_key("shop", None, None, None, operator=False)
FEW, FEWS = make_key("few", parse_limit("1/day"), None, None, operator=False)
GREY, GREYS = make_key("grey", None, None, ("grey",), operator=False)
ORIGIN = "https://shop.example"

RESIZE = "/resize?width=160&height=130&fit=fill"

ASKED: dict[str, tuple[str, bytes, tuple[str, ...]]] = {
    "a-jpeg": (RESIZE, PHOTO, ()),
    "half-by-rounding": ("/resize?width=160", PHOTO, ("Content-Type: image/jpeg",)),
    "a-png": ("/flip", PNG, ("Content-Type: image/png", "Accept: text/html;q=0.5")),
    "another-format": ("/pipeline?ops=resize:width=80/grayscale&format=webp", PHOTO, ()),
    "only-encoded": ("/pipeline?format=png", PHOTO, ()),
    "a-line-of-text": ("/pipeline?format=blurhash", PHOTO, ()),
    "percent-encoded": ("/pipeline?ops=resize%3Awidth%3D80", PHOTO, ()),
    "by-its-accept": ("/resize?width=80&format=auto", PHOTO, ("Accept: image/webp",)),
    "the-last-answer": (RESIZE, PHOTO, ("Connection: close",)),
    "from-curl": ("/flip", PHOTO, ("Content-Type: application/x-www-form-urlencoded",)),
    "an-unknown-type": ("/flip", PHOTO, ("Content-Type: multipart/mixed; boundary=x",)),
    "two-types": ("/flip", PHOTO, ("Content-Type: image/png", "Content-Type: image/jpeg")),
    "no-form": ("/flip", PHOTO, ("Content-Type: multipart/form-data; boundary=x",)),
    "in-a-coding": (RESIZE, gzip.compress(PHOTO), ("Content-Encoding: gzip",)),
    "said-to-be-in-a-coding": (RESIZE, PHOTO, ("Content-Encoding: br",)),
    "no-picture": ("/flip", b"no picture", ()),
    "cut-off": (RESIZE, PHOTO[:4000], ()),
    "cut-off-and-accepted": (f"{RESIZE}&broken=accept", PHOTO[:4000], ()),
    "nothing": (RESIZE, b"", ()),
    "too-large": (RESIZE, bytes(100_001), ()),
    "too-many-pixels": ("/resize?width=9000&height=9000&fit=fill&enlarge=true", PHOTO, ()),
    "does-not-fit": ("/crop?left=400&width=10&height=10", PHOTO, ()),
    "an-unknown-parameter": ("/resize?breadth=80", PHOTO, ()),
    "a-repeated-parameter": ("/resize?width=80&width=90", PHOTO, ()),
    "no-utf-8": ("/resize?width=%ff", PHOTO, ()),
    "a-missing-part": ("/watermark?part=logo", PHOTO, ()),
    "a-source": ("/resize?width=80&source=file:a.jpg", PHOTO, ()),
    "from-another-origin": (RESIZE, PHOTO, (f"Origin: {ORIGIN}",)),
    "from-a-strange-origin": (RESIZE, PHOTO, ("Origin: https://other.example",)),
}

GUARDED: dict[str, tuple[str, bytes, tuple[str, ...]]] = {
    "with-a-key": (RESIZE, PHOTO, (f"X-API-Key: {TOKEN}",)),
    "without-a-key": (RESIZE, PHOTO, ()),
    "with-a-strange-key": (RESIZE, PHOTO, ("Authorization: Bearer nobody",)),
    "for-presets-only": (RESIZE, PHOTO, (f"X-API-Key: {GREYS}",)),
    "from-another-origin": (RESIZE, PHOTO, (f"Origin: {ORIGIN}",)),
    "a-limit": (RESIZE, PHOTO, (f"X-API-Key: {FEWS}",)),
    "behind-a-proxy": (RESIZE, PHOTO, (f"X-API-Key: {TOKEN}", "X-Forwarded-For: 192.0.2.7")),
}

FLAGS = ("--workers", "1", "--max-pixels", "1000000", "--max-body", "100000", f"--cors-origins={ORIGIN}")


@pytest.fixture(scope="module")
def plain() -> Iterator[Server]:
    with serving(*FLAGS) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    keys = tmp_path_factory.mktemp("plain") / "keys"
    keys.write_text(f"{KEY}\n{FEW}\n{GREY}\n")
    limits = ("--key-limit", "100/day", "--key-work", "100/day")
    with serving(
        *FLAGS, f"--keys-file={keys}", *limits, "--trusted-proxies", "127.0.0.1", "--presets=grey=ops=grayscale"
    ) as running:
        yield running


def both(server: Server, target: str, body: bytes, headers: tuple[str, ...]) -> tuple[Answer, Answer]:
    """The answers of the short way and of the app, which takes two slashes at the beginning for one."""
    headers = (*headers, "X-Request-Id: mine")
    return ask(server, post(target, body, *headers)), ask(server, post(f"/{target}", body, *headers))


@pytest.mark.parametrize("name", ASKED)
def test_both_ways_give_one_answer(plain: Server, name: str) -> None:
    check_alike(*both(plain, *ASKED[name]))


@pytest.mark.parametrize("name", GUARDED)
def test_both_ways_ask_who_it_is(guarded: Server, name: str) -> None:
    target, body, headers = GUARDED[name]
    if name == "a-limit":
        assert ask(guarded, post(target, body, *headers)).status == 200
    short, long = both(guarded, target, body, headers)
    if name == "a-limit":
        assert short.status == 429
    check_alike(short, long)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("name", ["a-jpeg", "no-picture"])
def test_bodies_come_in_any_way_of_http(plain: Server, version: str, name: str) -> None:
    target, body, _headers = ASKED[name]
    check_alike(*(ask(plain, post(path, body, "X-Request-Id: a", version=version)) for path in (target, f"/{target}")))
    if version == "1.1":
        pieces = [body[:1000], body[1000:1001], body[1001:]]
        for path in (target, f"/{target}"):
            with Wire(plain) as wire:
                wire.send(head(path, "Transfer-Encoding: chunked", "Expect: 100-continue"))
                wire.send(chunked(pieces))
                wire.send(post(path, body))
                first, second = wire.answer(), wire.answer()
            assert (first.status, first.body == second.body or name == "no-picture") == (second.status, True)


def test_what_is_counted_and_logged_is_alike(plain: Server) -> None:
    found = []
    for slash in ("", "/"):
        asked = [ASKED[name] for name in ("a-jpeg", "a-png", "no-picture", "cut-off-and-accepted")]
        requests = [partial(ask, plain, post(f"{slash}{target}", body, *more)) for target, body, more in asked]
        changed, logged = counted_and_logged(plain, requests)
        found.append((changed, [set(event) for event in logged]))
    assert found[0] == found[1]


def test_the_queries_that_are_plain() -> None:
    plain = [name for name, (target, *_rest) in ASKED.items() if is_plain(target)]
    assert set(ASKED) - set(plain) == {
        *("by-its-accept", "an-unknown-parameter", "a-repeated-parameter", "no-utf-8", "a-missing-part", "a-source"),
    }
    assert "/pipeline" in READERS
    assert "/resize" in READERS
    assert "/batch" not in READERS


def is_plain(target: str) -> bool:
    path, _, query = target.partition("?")
    return _body_wish(path, query.encode()) is not None
