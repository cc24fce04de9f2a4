"""Whether a restart could listen where the new settings say; asked before the server that serves gives way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from imgsrv.environment import flag_name, inherited_sockets
from imgsrv.errors import CannotListen
from imgsrv.pool.listen.beside import listen_beside
from imgsrv.server.listeners import BESIDE, open_listener
from imgsrv.server.workers import identity_of
from imgsrv.settings import Settings
from imgsrv.settings_checks import UNIX_PREFIX, split_address


def addresses(settings: Settings) -> dict[str, Any]:
    """Return the settings that say where the server listens."""
    return {name: getattr(settings, name) for name in ("host", "port", *BESIDE.values())}


def cannot_move(now: Settings, then: Mapping[str, Any]) -> str | None:
    """Return why a restart could not listen on the addresses of new settings; None where nothing speaks against it.

    now: the settings of the server that runs; its own ports are free when it has gone.  then: as `addresses` gives
    them; a trial of an older version leaves out some.
    """
    own = _ports(now)
    new = replace(now, **{name: then.get(name, value) for name, value in addresses(now).items()})
    try:
        has_moved = (new.host, new.port) != (now.host, now.port) and not inherited_sockets()
        if has_moved and (new.host.startswith(UNIX_PREFIX) or new.port not in own):
            open_listener(new, identity_of(now)).close()
        for name in BESIDE.values():
            text = getattr(new, name)
            if text and split_address(text)[1] not in own:
                opened = listen_beside(text, flag_name(name), None)
                if opened is not None:
                    opened.close()
    except CannotListen as error:
        return str(error)
    return None


def _ports(settings: Settings) -> set[int]:
    beside = (getattr(settings, name) for name in BESIDE.values())
    own = {split_address(text)[1] for text in beside if text}
    return own if settings.host.startswith(UNIX_PREFIX) else {*own, settings.port}
