"""A document that is made when it is first asked for: once for all who wait, beside the loop, again after a fault."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from falcon.asgi import Response
from falcon.testing import create_asgi_req

from imgsrv.web.routes.document import JsonPage

DEADLINE_S = 60


async def answer(page: JsonPage) -> Any:
    response = Response()
    await page.on_get(create_asgi_req(), response)
    assert response.data is not None
    return json.loads(response.data)


class Making:
    """Counts how often the document is made; it waits for `may_end`."""

    def __init__(self, document: Callable[[], dict[str, Any]] = lambda: {"name": "ä"}) -> None:
        self.count, self._document = 0, document
        self.has_begun, self.may_end = threading.Event(), threading.Event()

    def __call__(self) -> dict[str, Any]:
        self.count += 1
        self.has_begun.set()
        assert self.may_end.wait(DEADLINE_S)
        return self._document()


def test_it_is_made_when_it_is_first_asked_for_and_once() -> None:
    making = Making()
    making.may_end.set()
    page = JsonPage(making)
    assert making.count == 0

    async def ask() -> list[Any]:
        return [await answer(page) for _ in range(3)]

    assert asyncio.run(ask()) == [{"name": "ä"}] * 3
    assert making.count == 1


def test_those_who_ask_meanwhile_wait_for_the_same_and_the_loop_goes_on() -> None:
    making = Making()
    page = JsonPage(making)

    async def ask() -> list[Any]:
        asking = [asyncio.create_task(answer(page)) for _ in range(5)]
        # The loop does this while the document is being made.
        await asyncio.to_thread(making.has_begun.wait, DEADLINE_S)
        assert not any(task.done() for task in asking)
        asking.pop(0).cancel()
        making.may_end.set()
        return await asyncio.gather(*asking)

    assert asyncio.run(ask()) == [{"name": "ä"}] * 4
    assert making.count == 1


def test_after_a_fault_it_is_made_again() -> None:
    documents = [{"name": "right"}, None]

    def made() -> dict[str, Any]:
        if (document := documents.pop()) is None:
            raise MemoryError
        return document

    making = Making(made)
    making.may_end.set()
    page = JsonPage(making)

    async def ask() -> Any:
        with pytest.raises(MemoryError):
            await answer(page)
        return await answer(page)

    assert asyncio.run(ask()) == {"name": "right"}
