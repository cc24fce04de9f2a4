"""A body, without a connection and without an app."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest
from queueing import budgets, unlimited

from imgsrv.errors import BodyTooLarge, ClientGone, ImgsrvError, OutOfMemoryBudget, RequestTimeout
from imgsrv.web.http.body import GATHERED_BYTES, KEPT_BYTES, KEPT_FILES, UNREAD_KEPT, Body, Files

LIMIT = 100


class Wire:
    """Notes what the body asks of its connection."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def body_wanted(self) -> None:
        self.asked.append("more")

    def body_ended(self) -> None:
        self.asked.append("done")


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def files() -> Iterator[Files]:
    found = Files(unlimited())
    yield found
    for file in found._kept:
        os.close(file)


def received(body: Body, *pieces: bytes, limit: int = LIMIT) -> bytes:
    """What stands in the file after the pieces have come while the app waited."""

    async def run() -> bytes:
        waiting = asyncio.ensure_future(body.receive(limit))
        await asyncio.sleep(0)
        for piece in pieces:
            body.feed(piece)
        body.ended()
        return os.pread(await waiting, body.received, 0)

    return asyncio.run(run())


@pytest.mark.parametrize("expected", [None, 1_000_000])
def test_a_body_that_grows_past_the_budget_of_memory_is_refused_and_gives_it_back(
    wire: Wire, expected: int | None
) -> None:
    board, (budget,) = budgets(1_000_000)
    body = Body(wire, Files(budget), expected)

    async def run() -> None:
        waiting = asyncio.ensure_future(body.receive(10_000_000))
        await asyncio.sleep(0)
        board.row(0).set("memory_answers", 400_000)  # meanwhile another request has had its share
        body.feed(bytes(700_000))
        with pytest.raises(OutOfMemoryBudget):
            await waiting

    asyncio.run(run())
    body.close()
    assert board.row(0)["memory_bodies"] == 0


def test_tiny_pieces_are_gathered_before_they_are_written(
    wire: Wire, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, pieces = list[int](), [b"x"] * 200_000
    pwrite = os.pwrite

    def counting(file: int, data: bytes, at: int) -> int:
        written.append(len(data))
        return pwrite(file, data, at)

    monkeypatch.setattr(os, "pwrite", counting)
    assert received(Body(wire, files, None), *pieces, limit=1_000_000) == b"x" * 200_000
    assert len(written) <= 200_000 // GATHERED_BYTES + 2


def test_a_body_in_pieces_is_put_together(wire: Wire, files: Files) -> None:
    assert received(Body(wire, files, 6), b"ab", b"cd", b"ef") == b"abcdef"
    assert wire.asked == ["more", "done"]


def test_bytes_that_arrive_before_the_app_asks_are_not_lost(wire: Wire, files: Files) -> None:
    body = Body(wire, files, 4)
    body.feed(b"ab")
    assert received(body, b"cd") == b"abcd"


def test_a_complete_body_asks_its_connection_for_nothing(wire: Wire, files: Files) -> None:
    body = Body(wire, files, 2)
    body.feed(b"ab")
    body.ended()
    asyncio.run(body.receive(LIMIT))
    assert (body.received, wire.asked) == (2, ["done"])


def test_a_shorter_body_in_a_used_file_keeps_its_own_size(wire: Wire, files: Files) -> None:
    first = Body(wire, files, 6)
    received(first, b"abcdef")
    file = first.file
    first.close()
    second = Body(wire, files, 2)
    assert received(second, b"xy") == b"xy"
    assert second.file == file


@pytest.mark.parametrize(
    ("expected", "pieces"),
    [
        pytest.param(LIMIT, [b"x" * LIMIT], id="announced"),
        pytest.param(None, [b"x" * LIMIT], id="chunked"),
        pytest.param(None, [b"x" * (LIMIT - 1), b"x"], id="chunked-in-two"),
    ],
)
def test_a_body_as_large_as_the_limit_is_received(
    wire: Wire, files: Files, expected: int | None, pieces: list[bytes]
) -> None:
    assert len(received(Body(wire, files, expected), *pieces)) == LIMIT


def test_a_body_announced_too_large_is_refused_before_a_byte_is_received(wire: Wire, files: Files) -> None:
    body = Body(wire, files, LIMIT + 1)
    with pytest.raises(BodyTooLarge) as caught:
        asyncio.run(body.receive(LIMIT))
    assert (caught.value.size, wire.asked) == (LIMIT + 1, [])


def test_a_stream_is_refused_as_soon_as_it_passes_the_limit(wire: Wire, files: Files) -> None:
    body = Body(wire, files, None)
    with pytest.raises(BodyTooLarge) as caught:
        received(body, b"x" * LIMIT, b"x")
    assert caught.value.size is None
    assert body.received == LIMIT


def test_the_limit_applies_to_bytes_that_arrive_early_too(wire: Wire, files: Files) -> None:
    body = Body(wire, files, None)
    body.feed(b"x" * (LIMIT + 1))
    with pytest.raises(BodyTooLarge):
        asyncio.run(body.receive(LIMIT))


@pytest.mark.parametrize(
    "failure", [ClientGone(), RequestTimeout("body", "5 s", "--body-timeout-s")], ids=lambda error: error.code
)
def test_receive_raises_the_reason_why_a_body_will_not_arrive(wire: Wire, files: Files, failure: ImgsrvError) -> None:
    body = Body(wire, files, 2)

    async def run() -> None:
        waiting = asyncio.ensure_future(body.receive(LIMIT))
        await asyncio.sleep(0)
        body.fail(failure)
        await waiting

    with pytest.raises(type(failure)):
        asyncio.run(run())


def test_a_client_that_left_before_the_app_asked_is_noticed_when_it_asks(wire: Wire, files: Files) -> None:
    body = Body(wire, files, 2)
    body.client_gone()
    with pytest.raises(ClientGone):
        asyncio.run(body.receive(LIMIT))


def test_a_client_that_leaves_during_the_job_cancels_it(wire: Wire, files: Files) -> None:
    body, calls = Body(wire, files, 0), list[str]()
    body.when_gone(lambda: calls.append("abandoned"))
    body.client_gone()
    assert calls == ["abandoned"]


def test_a_client_that_leaves_after_the_answer_cancels_nothing(wire: Wire, files: Files) -> None:
    body, calls = Body(wire, files, 0), list[str]()
    body.when_gone(lambda: calls.append("abandoned"))
    body.close()
    body.client_gone()
    assert calls == []


@pytest.mark.parametrize(
    ("expected", "came", "is_kept"),
    [
        pytest.param(0, 0, True, id="no-body"),
        pytest.param(UNREAD_KEPT, 0, True, id="little-to-come"),
        pytest.param(UNREAD_KEPT + 1, 0, False, id="much-to-come"),
        pytest.param(UNREAD_KEPT + 10, 10, True, id="little-left-of-much"),
        pytest.param(None, 0, False, id="unknown"),
    ],
)
def test_a_connection_is_kept_if_the_rest_to_drop_is_small(
    wire: Wire, files: Files, expected: int | None, came: int, *, is_kept: bool
) -> None:
    body = Body(wire, files, expected)
    body.feed(b"x" * came)
    assert body.keeps_connection is is_kept


def test_the_bytes_past_the_parser_are_never_more_than_the_rest_of_the_body(wire: Wire, files: Files) -> None:
    body = Body(wire, files, 10)
    assert body.direct_bytes == 0

    async def run() -> None:
        waiting = asyncio.ensure_future(body.receive(LIMIT))
        await asyncio.sleep(0)
        body.feed(b"abc")
        assert body.direct_bytes == 7
        body.feed(b"x" * 7)
        assert body.direct_bytes == 0
        body.ended()
        await waiting

    asyncio.run(run())


def test_a_chunked_body_always_passes_the_parser(wire: Wire, files: Files) -> None:
    body = Body(wire, files, None)
    body.is_wanted = True
    assert body.direct_bytes == 0


def test_a_file_that_an_engine_may_still_read_is_not_used_again(files: Files) -> None:
    files.give_back(files.take(), is_unused=False)
    assert files._kept == []


def test_a_large_file_is_not_kept(files: Files) -> None:
    file = files.take()
    os.ftruncate(file, KEPT_BYTES + 1)
    files.give_back(file, is_unused=True)
    assert files._kept == []


def test_only_a_few_files_are_kept(files: Files) -> None:
    for file in [files.take() for _ in range(KEPT_FILES + 3)]:
        files.give_back(file, is_unused=True)
    assert len(files._kept) == KEPT_FILES


def test_a_body_that_was_not_received_has_no_file(wire: Wire, files: Files) -> None:
    with pytest.raises(RuntimeError):
        _ = Body(wire, files, 1).file


def test_a_failed_body_ends_its_connection_even_if_little_is_left(wire: Wire, files: Files) -> None:
    body = Body(wire, files, 2)
    body.feed(b"x")
    body.fail(RequestTimeout("body", "5 s", "--body-timeout-s"))
    assert not body.keeps_connection


@pytest.mark.parametrize(("is_held_back", "is_kept"), [(True, False), (False, True)], ids=["held-back", "on-its-way"])
def test_a_connection_is_kept_only_if_the_body_will_certainly_arrive(
    wire: Wire, files: Files, *, is_held_back: bool, is_kept: bool
) -> None:
    assert Body(wire, files, 2, is_held_back=is_held_back).keeps_connection is is_kept
