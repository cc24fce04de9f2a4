"""`imgsrv cache`: what is in the result cache, and remove all of it.  The server need not run, and may run."""

from __future__ import annotations

import argparse
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

from imgsrv.cli._flags import add_settings, read_settings
from imgsrv.errors import BadArgument, CommandFailed
from imgsrv.observe.log.text import size_text
from imgsrv.settings import SETTINGS, Settings

if TYPE_CHECKING:
    from imgsrv.web.cache.store import Store, Usage

Given = TypeVar("Given")


def add_parser(commands: Any) -> None:
    """Add `cache` to the commands."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "cache",
        description="Show what is in the result cache (stats), or remove all of it (purge).  The cache is found by the "
        "settings of the server, which may run meanwhile.  A purge is never needed for right answers.",
    )
    parser.add_argument("action", choices=("stats", "purge"), help="what to do")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_settings(parser, [name for name in SETTINGS if name.startswith("cache_")])
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Print what is in the cache, or empty it.  Raises BadSetting, BadArgument, CommandFailed."""
    from imgsrv.web.cache.named_store import has_store  # noqa: PLC0415  the help needs no store

    settings = read_settings(parsed).settings
    if not has_store(settings):
        raise BadArgument("no cache is named; give the --cache-dir or the --cache-url of the server")
    if parsed.action == "purge":
        removed = _with_store(settings, lambda store: store.purge())
        print(json.dumps({"removed": removed}) if parsed.json else f"removed {removed} entries")
        return 0
    usage = _with_store(settings, lambda store: store.usage())
    print(json.dumps(asdict(usage)) if parsed.json else _text(usage))
    return 0


def _with_store(settings: Settings, use: Callable[[Store], Awaitable[Given]]) -> Given:
    import asyncio  # noqa: PLC0415  as above

    from imgsrv.web.cache.locks import MachineLocks, make_lock_file  # noqa: PLC0415
    from imgsrv.web.cache.named_store import make_store  # noqa: PLC0415
    from imgsrv.web.cache.store import StoreFailed  # noqa: PLC0415

    async def using() -> Given:
        store, locks = make_store(settings, MachineLocks(make_lock_file()))
        try:
            return await use(store)
        except StoreFailed as error:
            raise CommandFailed(f"the cache cannot be read: {error}") from error
        finally:
            await store.close()
            await locks.close()

    return asyncio.run(using())


def _text(usage: Usage) -> str:
    parts = ["1 entry" if usage.entries == 1 else f"{usage.entries} entries"]
    if usage.size is not None:
        parts.append(size_text(usage.size) + (f" of {size_text(usage.limit)}" if usage.limit is not None else ""))
    return ", ".join(parts)
