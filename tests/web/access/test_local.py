"""Who counts as this machine: not a proxy on it, not a page of another site in a browser on it."""

from __future__ import annotations

import pytest

from imgsrv.web.access.local import is_local

HERE = ("127.0.0.1", 5000)


def headers(host: str, *more: tuple[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in (("host", host), *more)]


@pytest.mark.parametrize("peer", [HERE, ("127.9.9.9", 1), ("::1", 1), ("::ffff:127.0.0.1", 1)])
@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "[::1]:8000"])
def test_a_program_of_this_machine_counts(peer: tuple[str, int], host: str) -> None:
    assert is_local(peer, headers(host))


def test_a_page_of_the_server_counts() -> None:
    more = (("origin", "http://localhost:8000"), ("sec-fetch-site", "same-origin"))
    assert is_local(HERE, headers("localhost:8000", *more))


@pytest.mark.parametrize(
    ("peer", "found"),
    [
        pytest.param(("192.0.2.1", 1), headers("localhost"), id="another-machine"),
        pytest.param(None, headers("localhost"), id="a-unix-socket"),
        pytest.param(HERE, headers("images.example"), id="a-name-that-leads-here"),
        pytest.param(HERE, headers("127.0.0.1.example"), id="a-name-like-the-address"),
        pytest.param(HERE, headers("localhost@images.example"), id="a-user-named-localhost"),
        pytest.param(HERE, headers(""), id="no-host"),
        pytest.param(HERE, headers("[::1"), id="half-a-bracket"),
        pytest.param(HERE, headers("a" * 10_000), id="a-long-host"),
        pytest.param(HERE, headers("localhost", ("x-forwarded-for", "127.0.0.1")), id="forwarded"),
        pytest.param(HERE, headers("localhost", ("forwarded", "for=127.0.0.1")), id="forwarded-by-the-standard"),
        pytest.param(HERE, headers("localhost", ("via", "1.1 proxy")), id="via"),
        pytest.param(HERE, headers("localhost", ("x-real-ip", "127.0.0.1")), id="real-ip"),
        pytest.param(HERE, headers("localhost:8000", ("origin", "http://evil.example")), id="another-origin"),
        pytest.param(HERE, headers("localhost:8000", ("origin", "http://localhost:9")), id="another-port"),
        pytest.param(HERE, headers("localhost", ("origin", "null")), id="an-opaque-origin"),
        pytest.param(HERE, headers("localhost", ("sec-fetch-site", "cross-site")), id="another-site"),
        pytest.param(HERE, headers("localhost", ("sec-fetch-site", "same-site")), id="a-sister-site"),
    ],
)
def test_all_others_do_not(peer: tuple[str, int] | None, found: list[tuple[bytes, bytes]]) -> None:
    assert not is_local(peer, found)
