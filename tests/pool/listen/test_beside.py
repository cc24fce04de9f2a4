"""Further addresses of a server: what is no address is refused by the name of its setting."""

from __future__ import annotations

import pytest

from imgsrv.errors import CannotListen
from imgsrv.pool.listen.beside import listen_beside


@pytest.mark.parametrize("host", ["no-such-host.invalid", 70 * "x"], ids=["unknown", "longer-than-a-name-may-be"])
def test_a_host_that_is_no_address_is_named_with_its_setting(host: str) -> None:
    with pytest.raises(CannotListen, match=f"{host} is no address of this machine .*choose one with --agent-listen"):
        listen_beside(f"{host}:8001", "--agent-listen", None)


def test_no_address_is_no_socket() -> None:
    assert listen_beside("", "--agent-listen", None) is None
