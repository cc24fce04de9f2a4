"""One connection, byte by byte: many requests on it, and every way to cut one."""

from __future__ import annotations

import threading

import pytest
from pictures import opened
from PIL import Image
from serving import Server
from wire import HEALTH, PNG, Wire, ask, chunked, head, is_flipped, noise, post


def test_a_connection_serves_many_requests(server: Server) -> None:
    with Wire(server) as wire:
        for _ in range(20):
            wire.send(post("/flip", PNG))
            assert is_flipped(wire.answer())


def test_a_refused_request_does_not_end_the_connection(server: Server) -> None:
    with Wire(server) as wire:
        for request, status in [
            (post("/nothing", PNG), 404),
            (post("/resize", PNG), 400),
            (post("/flip", b"no picture"), 415),
            (post("/flip", PNG[:40]), 422),
            (post("/flip", PNG), 200),
        ]:
            wire.send(request)
            assert wire.answer().status == status


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    widths = (3, 1, 2)
    with Wire(server) as wire:
        wire.send(b"".join(post(f"/resize?enlarge=true&width={width}", PNG) for width in widths))
        assert [wire.answer().headers["image-width"] for _ in widths] == [str(width) for width in widths]


def test_pipelined_requests_with_large_bodies_are_answered_in_order(server: Server) -> None:
    large, small = noise(400), PNG
    with Wire(server) as wire:
        sender = threading.Thread(target=wire.send, args=(post("/flip", large) * 2 + post("/flip", small) * 2,))
        sender.start()
        assert [wire.answer().headers["image-width"] for _ in range(4)] == ["400", "400", "2", "2"]
        sender.join()


def test_pipelined_requests_of_every_kind_keep_their_order(server: Server) -> None:
    requests = [HEALTH, post("/flip", PNG), post("/nothing", PNG), head("/flip", "Transfer-Encoding: chunked"), HEALTH]
    requests[3] += chunked([PNG])
    with Wire(server) as wire:
        wire.send(b"".join(requests))
        assert [wire.answer().status for _ in requests] == [200, 200, 404, 200, 200]


def test_an_answer_is_not_lost_because_garbage_follows_its_request(server: Server) -> None:
    with Wire(server) as wire:
        wire.send(post("/flip", PNG) + b"\x00garbage\r\n\r\n")
        assert is_flipped(wire.answer())
        assert wire.answer().code == "bad_http"
        assert wire.ends()


def test_an_answer_is_not_lost_because_the_next_body_is_broken(server: Server) -> None:
    with Wire(server) as wire:
        wire.send(post("/flip", PNG) + head("/flip", "Transfer-Encoding: chunked") + b"xyz\r\n")
        assert is_flipped(wire.answer())
        assert wire.answer().code == "bad_http"
        wire.half_close()
        assert wire.ends()


def test_half_a_head_behind_a_large_body_does_not_count_as_a_large_head(server: Server) -> None:
    request = post("/nothing", b"x" * 60_000)
    with Wire(server) as wire:
        wire.send(request + HEALTH[:20])
        assert wire.answer().status == 404
        wire.send(HEALTH[20:])
        assert wire.answer().status == 200


OFFER = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")


def test_an_offer_to_upgrade_is_ignored(server: Server) -> None:
    offering = head("/healthz", *OFFER, method="GET")
    with Wire(server) as wire:
        wire.send(offering)
        assert wire.answer().status == 200
        wire.send(offering + HEALTH)
        assert [wire.answer().status, wire.answer().status] == [200, 200]
        wire.send(post("/flip", PNG))
        assert is_flipped(wire.answer())


OFFERED = pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(post("/flip", PNG, *OFFER), id="with-a-length"),
        pytest.param(head("/flip", "Transfer-Encoding: chunked", *OFFER) + chunked([PNG[:9], PNG[9:]]), id="chunked"),
        pytest.param(post("/flip", PNG, "Connection: upgrade", "Upgrade: websocket"), id="websocket"),
    ],
)


@OFFERED
def test_an_offer_to_upgrade_with_a_body_is_ignored(server: Server, request_bytes: bytes) -> None:
    with Wire(server) as wire:
        wire.send(request_bytes)
        assert is_flipped(wire.answer())
        wire.send(request_bytes + HEALTH + request_bytes)
        assert is_flipped(wire.answer())
        assert wire.answer().status == 200
        assert is_flipped(wire.answer())


@OFFERED
def test_an_offer_to_upgrade_with_a_body_is_understood_byte_by_byte(server: Server, request_bytes: bytes) -> None:
    with Wire(server) as wire:
        for at in range(len(request_bytes)):
            wire.send(request_bytes[at : at + 1])
        wire.send(HEALTH)
        assert is_flipped(wire.answer())
        assert wire.answer().status == 200


def test_a_request_hidden_in_a_body_behind_an_offer_is_not_served(server: Server) -> None:
    with Wire(server) as wire:
        wire.send(post("/nothing", post("/flip", PNG), *OFFER) + HEALTH)
        assert wire.answer().status == 404
        assert wire.answer().status == 200
        assert wire.is_silent(0.1)


def test_a_large_body_behind_an_offer_is_refused_like_any_other(server: Server) -> None:
    with Wire(server) as wire:
        wire.send(head("/flip", "Content-Length: 999999999999", *OFFER))
        answer = wire.answer()
        assert (answer.status, answer.closes) == (413, True)


def test_http_1_0_is_answered_and_closed(server: Server) -> None:
    with Wire(server) as wire:
        wire.send(post("/flip", PNG, version="1.0"))
        answer = wire.answer()
        assert is_flipped(answer)
        assert answer.closes
        assert wire.ends()


def test_connection_close_is_obeyed(server: Server) -> None:
    with Wire(server) as wire:
        wire.send(post("/flip", PNG, "Connection: close"))
        assert wire.answer().closes
        assert wire.ends()


# ---- how a request is cut -----------------------------------------------------------------------------


def test_a_request_byte_by_byte_is_understood(server: Server) -> None:
    request = post("/flip", PNG)
    with Wire(server) as wire:
        for at in range(len(request)):
            wire.send(request[at : at + 1])
        assert is_flipped(wire.answer())


HEAD_SIZE = len(post("/flip", PNG)) - len(PNG)


@pytest.mark.parametrize(
    "cuts",
    [
        pytest.param([], id="in-one"),
        pytest.param([HEAD_SIZE], id="head-and-body"),
        pytest.param([HEAD_SIZE - 2], id="inside-the-line-end-of-the-head"),
        pytest.param([HEAD_SIZE + 1], id="head-with-a-byte-of-the-body"),
        pytest.param([HEAD_SIZE, HEAD_SIZE + 30], id="head-and-a-body-in-two"),
        pytest.param([5, HEAD_SIZE, len(PNG) + HEAD_SIZE - 1], id="the-last-byte-alone"),
    ],
)
@pytest.mark.parametrize("style", ["announced", "chunked"])
def test_it_does_not_matter_how_a_request_is_cut(server: Server, cuts: list[int], style: str) -> None:
    is_chunked = style == "chunked"
    request = head("/flip", "Transfer-Encoding: chunked") + chunked([PNG]) if is_chunked else post("/flip", PNG)
    with Wire(server) as wire:
        for start, end in zip([0, *cuts], [*cuts, len(request)], strict=True):
            wire.send(request[start:end])
            # The server takes what it has before the next piece comes.
            assert end == len(request) or wire.is_silent(0.02)
        assert is_flipped(wire.answer())


@pytest.mark.parametrize("taken", [1, 10, len(HEALTH)], ids=lambda size: f"{size}-bytes")
def test_the_next_head_may_be_glued_to_the_end_of_a_body(server: Server, taken: int) -> None:
    with Wire(server) as wire:
        wire.send(head("/flip", f"Content-Length: {len(PNG)}"))
        assert wire.is_silent(0.05)
        wire.send(PNG + HEALTH[:taken])
        assert is_flipped(wire.answer())
        wire.send(HEALTH[taken:])
        assert wire.answer().status == 200


@pytest.mark.parametrize("size", [1, 7, 4096], ids=lambda size: f"pieces-of-{size}")
def test_a_chunked_body_is_put_together(server: Server, size: int) -> None:
    body = noise(50)
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    answer = ask(server, head("/flip?format=png", "Transfer-Encoding: chunked") + chunked(pieces))
    assert opened(answer.body).tobytes() == opened(body).transpose(Image.Transpose.FLIP_TOP_BOTTOM).tobytes()


def test_a_trailer_is_read_and_dropped(server: Server) -> None:
    body = chunked([PNG])[:-2] + b"X-Checksum: 1\r\nX-Request-Id: late\r\n\r\n"
    with Wire(server) as wire:
        wire.send(head("/flip", "Transfer-Encoding: chunked") + body)
        answer = wire.answer()
        assert is_flipped(answer)
        assert answer.headers["x-request-id"] != "late"
        wire.send(HEALTH)
        assert wire.answer().status == 200


# ---- 100 Continue -------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [f"Content-Length: {len(PNG)}", "Transfer-Encoding: chunked"])
def test_a_client_that_waits_gets_100_continue_once(server: Server, length: str) -> None:
    with Wire(server) as wire:
        wire.send(head("/flip", length, "Expect: 100-continue"))
        assert not wire.is_silent(2.0)
        wire.send(PNG if "Length" in length else chunked([PNG]))
        answer = wire.answer()
        assert is_flipped(answer)
        assert answer.interims == (100,)


def test_a_client_that_does_not_wait_gets_no_100_continue(server: Server) -> None:
    answer = ask(server, post("/flip", PNG))
    assert answer.interims == ()


def test_a_refusal_comes_instead_of_continue_and_ends_the_connection(server: Server) -> None:
    # The client may now send the body or leave it out: only a new connection is sure to be understood.
    with Wire(server) as wire:
        wire.send(head("/nothing", f"Content-Length: {len(PNG)}", "Expect: 100-continue"))
        answer = wire.answer()
        assert (answer.status, answer.interims, answer.closes) == (404, (), True)
        wire.half_close()
        assert wire.ends()
