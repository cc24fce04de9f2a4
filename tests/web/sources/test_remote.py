"""`source=http://…`: fetched from a server that answers well, badly, slowly, endlessly or not at all."""

from __future__ import annotations

import gzip
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from far.origins import Answer, Origin, certificate, nginx, ok, origin, redirect
from pictures import encoded, picture, sample
from servers.nginx import PROGRAM
from serving import Server, serving, wait_until

PHOTO = encoded(sample("coffee.jpg"), "JPEG", quality=90)
LOGO = encoded(picture("RG/BY"), "PNG")
LIMIT = 2_000_000

DATED = "Thu, 01 Jan 2026 00:00:00 GMT"


def endless(connection: socket.socket, _request: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"10000\r\n" + bytes(0x10000) + b"\r\n")


def endless_head(connection: socket.socket, _request: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X-More: " + b"y" * 1000 + b"\r\n")


def endless_interim(connection: socket.socket, _request: bytes) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")


def endless_framing(connection: socket.socket, _request: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"1;" + b"x" * 4000 + b"\r\n\0\r\n")


def silent(connection: socket.socket, _request: bytes) -> None:
    connection.recv(1)


def slow(connection: socket.socket, _request: bytes) -> None:
    connection.sendall(ok(PHOTO)[: -len(PHOTO)])
    for byte in PHOTO:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


def cut(connection: socket.socket, _request: bytes) -> None:
    connection.sendall(ok(PHOTO)[:-1000])


def until_closed(connection: socket.socket, _request: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + LOGO)


def validated(connection: socket.socket, request: bytes) -> None:
    connection.sendall(b"HTTP/1.1 304 Not Modified\r\n\r\n" if b"If-None-Match" in request else ok(LOGO, 'ETag: "1"'))


ANSWERS: dict[str, Answer] = {
    "/photo.jpg": ok(PHOTO, f"Last-Modified: {DATED}", 'ETag: "a"', "Content-Type: image/jpeg"),
    "/logo.png": ok(LOGO),
    "/hinted": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + ok(LOGO),
    "/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"".join(b"%x\r\n%b\r\n" % (len(LOGO[at : at + 9]), LOGO[at : at + 9]) for at in range(0, len(LOGO), 9))
    + b"0\r\nX-Trailer: a\r\n\r\n",
    "/closing": ok(LOGO, "Connection: close"),
    "/until-closed": until_closed,
    "/there": redirect("/photo.jpg"),
    "/there/308": redirect("../photo.jpg", 308),
    "/1": redirect("/2"),
    "/2": redirect("/3"),
    "/3": redirect("/photo.jpg"),
    "/0": redirect("/1"),
    "/loop": redirect("/loop"),
    "/nowhere": redirect(""),
    "/to-file": redirect("file:///etc/passwd"),
    "/to-userinfo": redirect("http://me:pw@127.0.0.1/"),
    "/to-other": redirect("http://127.0.0.1:1/photo.jpg"),
    "/upwards": redirect("/%2e%2e/photo.jpg"),
    "/404": b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno!",
    "/410": b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n",
    "/401": b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
    "/403": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
    "/304": b"HTTP/1.1 304 Not Modified\r\n\r\n",
    "/500": b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",
    "/503": b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
    "/206": b"HTTP/1.1 206 Partial Content\r\nContent-Length: 0\r\n\r\n",
    "/gzip": ok(gzip.compress(LOGO), "Content-Encoding: gzip"),
    "/bomb": ok(gzip.compress(bytes(10_000_000)), "Content-Encoding: gzip"),
    "/identity": ok(LOGO, "Content-Encoding: identity"),
    "/html": ok(b"<html><body>Hello</body></html>", "Content-Type: image/png"),
    "/empty": ok(b""),
    "/large": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
    "/endless": endless,
    "/endless-head": endless_head,
    "/endless-interim": endless_interim,
    "/endless-framing": endless_framing,
    "/silent": silent,
    "/slow": slow,
    "/cut": cut,
    "/hangs-up": lambda connection, _request: connection.close(),
    "/garbage": lambda connection, _request: connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n" * 10),
    "/switch": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "/two-lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "/bad-length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
    "/coded": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "/bad-chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
    "/two-answers": ok(LOGO) + ok(LOGO),
    "/validated": validated,
    "/ended": ok(LOGO, 'ETag: "4"', "Expires: Thu, 01 Jan 2026 00:00:00 GMT"),
    "/ended-0": ok(LOGO, 'ETag: "5"', "Expires: 0"),
    "/ending": ok(LOGO, 'ETag: "6"', "Expires: Tue, 01 Jan 2363 00:00:00 GMT"),
    "/ended-but": ok(LOGO, 'ETag: "7"', "Expires: 0", "Cache-Control: max-age=60"),
    "/private-below": ok(LOGO, 'ETag: "1"', "Cache-Control: max-age=60", "cache-control: private"),
    "/private-tab": ok(LOGO, 'ETag: "2"', "Cache-Control: max-age=60,\tprivate"),
    "/private-far": ok(LOGO, 'ETag: "3"', f"Cache-Control: {'x, ' * 300}private"),
}


@pytest.fixture(scope="module")
def place() -> Iterator[Origin]:
    with origin(ANSWERS) as made:
        yield made


@pytest.fixture(scope="module")
def fetching(place: Origin) -> Iterator[Server]:
    flags = [f"--source-http={place.url}", "--source-private-addresses=127.0.0.1", f"--max-body={LIMIT}"]
    with serving("--workers=1", *flags, "--source-timeout-s=1") as running:
        yield running


@pytest.fixture
def asking(fetching: Server) -> Iterator[httpx.Client]:
    with fetching.client() as client:
        yield client


def fetched(client: httpx.Client, url: str, target: str = "/info?") -> httpx.Response:
    return client.get(f"{target}source={quote(url, safe='')}")


@pytest.mark.parametrize(
    "path",
    ["/logo.png", "/hinted", "/chunked", "/closing", "/until-closed", "/identity", "/validated", "/two-answers"],
)
def test_a_good_answer_is_the_picture(asking: httpx.Client, place: Origin, path: str) -> None:
    answer = fetched(asking, place.url + path, "/flip?")

    assert (answer.status_code, answer.content) == (200, asking.post("/flip", content=LOGO).content), answer.text


@pytest.mark.parametrize("path", ["/photo.jpg", "/there", "/there/308", "/1"])
def test_redirects_are_followed_three_times(asking: httpx.Client, place: Origin, path: str) -> None:
    answer = fetched(asking, place.url + path, "/resize?width=100&")

    assert answer.content == asking.post("/resize?width=100", content=PHOTO).content
    assert answer.headers["last-modified"] == DATED


def test_a_watermark_is_fetched_too(asking: httpx.Client, place: Origin) -> None:
    answer = fetched(asking, f"{place.url}/photo.jpg", f"/watermark?source.watermark={place.url}/logo.png&")

    assert answer.content == asking.post("/watermark", files={"file": PHOTO, "watermark": LOGO}).content


@pytest.mark.parametrize(
    ("path", "status", "code", "told"),
    [
        ("/nothing", 404, "source_not_found", "does not exist"),
        ("/404", 404, "source_not_found", ""),
        ("/410", 404, "source_not_found", ""),
        ("/401", 403, "source_forbidden", ""),
        ("/403", 403, "source_forbidden", ""),
        ("/304", 502, "source_failed", "answers 304"),
        ("/500", 502, "source_failed", "answers 500"),
        ("/503", 502, "source_failed", "answers 503"),
        ("/206", 502, "source_failed", "answers 206"),
        ("/0", 502, "source_failed", "more than 3 times (--source-redirects)"),
        ("/loop", 502, "source_failed", "more than 3 times"),
        ("/nowhere", 502, "source_failed", "answers 302"),
        ("/to-file", 502, "source_failed", "no plain URL"),
        ("/to-userinfo", 502, "source_failed", "no plain URL"),
        ("/upwards", 502, "source_failed", "no plain URL"),
        ("/to-other", 403, "source_not_allowed", "redirected to a URL that is not allowed"),
        ("/gzip", 502, "source_failed", "compresses the answer (gzip)"),
        ("/bomb", 502, "source_failed", "compresses the answer"),
        ("/html", 415, "unsupported_format", "HTML"),
        ("/empty", 415, "unsupported_format", ""),
        ("/large", 422, "source_too_large", "99999999999 bytes"),
        ("/endless", 422, "source_too_large", "--max-body"),
        ("/endless-head", 502, "source_failed", "head of its answer"),
        ("/endless-interim", 502, "source_failed", "head of its answer"),
        ("/endless-framing", 502, "source_failed", "more framing than content"),
        ("/silent", 504, "source_timeout", "--source-timeout-s"),
        ("/slow", 504, "source_timeout", "--source-timeout-s"),
        ("/cut", 502, "source_failed", "before the end"),
        ("/hangs-up", 502, "source_failed", "closed"),
        ("/garbage", 502, "source_failed", "no HTTP/1.1"),
        ("/switch", 502, "source_failed", "changes the protocol"),
        ("/two-lengths", 502, "source_failed", "no HTTP/1.1"),
        ("/bad-length", 502, "source_failed", "no HTTP/1.1"),
        ("/coded", 502, "source_failed", "transfer coding"),
        ("/bad-chunk", 502, "source_failed", "no HTTP/1.1"),
    ],
)
def test_every_other_answer_has_its_problem(
    asking: httpx.Client, place: Origin, path: str, status: int, code: str, told: str
) -> None:
    answer = fetched(asking, place.url + path)

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert told in answer.json()["detail"]
    assert "127.0.0.1" not in answer.json()["detail"].replace(place.url, "")


def test_a_server_that_cannot_be_reached_is_answered_502() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    flags = [f"--source-http=http://127.0.0.1:{port},http://no-such-host.invalid"]
    with serving("--workers=1", *flags, "--source-private-addresses=127.0.0.1") as server, server.client() as client:
        closed = fetched(client, f"http://127.0.0.1:{port}/a.jpg")
        unknown = fetched(client, "http://no-such-host.invalid/a.jpg")

    assert (closed.status_code, closed.json()["code"]) == (502, "source_failed")
    assert "connection refused" in closed.json()["detail"]
    assert (unknown.status_code, unknown.json()["code"]) == (502, "source_failed")
    assert "no address" in unknown.json()["detail"]


def test_the_rate_of_a_source_has_a_lower_bound(place: Origin) -> None:
    flags = [f"--source-http={place.url}", "--source-private-addresses=127.0.0.1"]
    with serving("--workers=1", *flags, "--source-timeout-s=60") as server, server.client() as client:
        answer = fetched(client, f"{place.url}/slow")

    assert (answer.status_code, answer.json()["code"]) == (504, "source_timeout")
    assert "--body-rate" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("/private-below", "private, max-age=60", id="in-a-second-line"),
        pytest.param("/private-tab", "private, max-age=60", id="behind-a-tab"),
        pytest.param("/private-far", "no-store", id="in-a-header-too-long-to-read"),
        pytest.param("/ended", "no-cache", id="expires-in-the-past"),
        pytest.param("/ended-0", "no-cache", id="expires-is-no-date"),
        pytest.param("/ending", "public, max-age=2678400", id="expires-far-from-now"),
        pytest.param("/ended-but", "public, max-age=60", id="cache-control-counts-more-than-expires"),
    ],
)
def test_an_answer_lives_as_long_as_its_server_says(
    asking: httpx.Client, place: Origin, path: str, expected: str
) -> None:
    answer = fetched(asking, f"{place.url}{path}", "/flip?")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, expected)


def test_connections_are_used_again(asking: httpx.Client, place: Origin) -> None:
    fetched(asking, f"{place.url}/logo.png")
    before = place.connections
    for _ in range(5):
        assert fetched(asking, f"{place.url}/logo.png").status_code == 200

    assert place.connections == before


def test_a_kept_connection_that_the_server_closes_is_not_missed(place: Origin, asking: httpx.Client) -> None:
    for _ in range(4):
        assert fetched(asking, f"{place.url}/closing").status_code == 200
        assert fetched(asking, f"{place.url}/logo.png").status_code == 200


def test_a_client_that_leaves_ends_the_fetching(fetching: Server, place: Origin) -> None:
    before = place.connections
    with fetching.connect() as leaving:
        leaving.sendall(f"GET /info?source={place.url}/silent HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        wait_until(lambda: place.paths()[-1] == "/silent", "the source is asked for")
    wait_until(lambda: any(event.get("code") == "client_gone" for event in fetching.named("request")), "it is logged")

    assert place.connections >= before


def test_nothing_secret_stands_in_the_log_or_an_error(fetching: Server, asking: httpx.Client, place: Origin) -> None:
    answer = fetched(asking, f"{place.url}/nothing?signature=s3cr3t")
    with_user = fetched(asking, place.url.replace("//", "//me:s3cr3t@") + "/photo.jpg")
    wait_until(lambda: len(fetching.named("request")) > 1, "the requests are logged")

    assert (with_user.status_code, with_user.json()["code"]) == (400, "bad_source")
    assert "s3cr3t" not in answer.text + with_user.text + str(fetching.events)


def test_proxies_and_netrc_of_the_environment_are_not_used(place: Origin, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password s3cr3t\n")
    environment = {
        "HOME": str(tmp_path),
        "HTTP_PROXY": "http://127.0.0.1:9/",
        "http_proxy": "http://127.0.0.1:9/",
        "ALL_PROXY": "http://127.0.0.1:9/",
    }
    flags = [f"--source-http={place.url}", "--source-private-addresses=127.0.0.1"]
    with serving("--workers=1", *flags, environment=environment) as server, server.client() as client:
        assert fetched(client, f"{place.url}/logo.png").status_code == 200

    assert b"authorization" not in place.requests[-1].lower()


def test_a_loopback_address_is_refused_by_default(place: Origin) -> None:
    before = place.connections
    with serving("--workers=1", f"--source-http={place.url}") as server, server.client() as client:
        answer = fetched(client, f"{place.url}/logo.png")

    assert (answer.status_code, answer.json()["code"]) == (403, "source_not_allowed")
    assert "--source-private-addresses" in answer.json()["detail"]
    assert place.connections == before


# ---- TLS ----------------------------------------------------------------------------------------------

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")


@needs_openssl
def test_a_certificate_must_be_trusted_and_fit_the_name(tmp_path: Path) -> None:
    good, other = certificate(tmp_path, "good"), certificate(tmp_path, "other", subject="DNS:other.example")
    both = tmp_path / "both.pem"
    both.write_bytes(good.read_bytes() + other.read_bytes())
    with origin(ANSWERS, good) as right, origin(ANSWERS, other) as wrong, origin(ANSWERS) as plain:
        places = f"{right.url},{wrong.url},https://127.0.0.1:{plain.port}"
        flags = ["--workers=1", f"--source-http={places}", "--source-private-addresses=127.0.0.1"]
        with serving(*flags, f"--source-ca-file={both}") as server, server.client() as client:
            fine = fetched(client, f"{right.url}/logo.png")
            misfit = fetched(client, f"{wrong.url}/logo.png")
            no_tls = fetched(client, f"https://127.0.0.1:{plain.port}/logo.png")
        with serving(*flags) as server, server.client() as client:
            unknown = fetched(client, f"{right.url}/logo.png")

    assert fine.status_code == 200, fine.text
    assert (misfit.status_code, misfit.json()["code"]) == (502, "source_failed")
    assert "certificate is not valid: ip address mismatch" in misfit.json()["detail"]
    assert (no_tls.status_code, no_tls.json()["code"]) == (502, "source_failed")
    assert (unknown.status_code, unknown.json()["code"]) == (502, "source_failed")
    assert "self-signed certificate" in unknown.json()["detail"]


@needs_openssl
def test_a_redirect_from_https_to_http_is_not_followed(tmp_path: Path) -> None:
    with (
        origin(ANSWERS) as plain,
        origin({"/down": redirect(f"{plain.url}/logo.png")}, certificate(tmp_path, "good")) as tls,
    ):
        flags = [f"--source-http={plain.url},{tls.url}", "--source-private-addresses=127.0.0.1"]
        with (
            serving("--workers=1", *flags, f"--source-ca-file={tmp_path}/good.pem") as server,
            server.client() as client,
        ):
            answer = fetched(client, f"{tls.url}/down")

    assert (answer.status_code, answer.json()["code"]) == (502, "source_failed")
    assert plain.requests == []


# ---- a real server ------------------------------------------------------------------------------------


@pytest.mark.skipif(not PROGRAM, reason="needs nginx")
def test_nginx_gives_the_answer_of_the_same_bytes_in_a_body(tmp_path: Path) -> None:
    files, state = tmp_path / "files", tmp_path / "state"
    files.mkdir()
    state.mkdir()
    (files / "photo.jpg").write_bytes(PHOTO)
    tmp_path.chmod(0o755)
    with nginx(state, files) as url:
        flags = [f"--source-http={url}", "--source-private-addresses=127.0.0.1"]
        with serving("--workers=1", *flags) as server, server.client() as client:
            answers = [fetched(client, f"{url}/photo.jpg", "/resize?width=100&") for _ in range(3)]
            missing = fetched(client, f"{url}/nothing.jpg")
            posted = client.post("/resize?width=100", content=PHOTO)

    assert [answer.content for answer in answers] == [posted.content] * 3
    assert missing.json()["code"] == "source_not_found"
