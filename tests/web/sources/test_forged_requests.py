"""Attempts to make the server ask a machine that a stranger cannot reach: all are refused, and none is connected to.

The server runs in a network in which every address leads to one server, which notes each address that is connected to,
and in which a DNS server of the test answers.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from far.network import NAMES, OTHER_PUBLIC, PUBLIC, PUBLIC_6, SILENT, Network, is_possible, network
from pictures import encoded, picture
from serving import serving

from imgsrv.web.sources.connecting import MOST_LOOKUPS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux" or not is_possible(), reason="needs namespaces of its own"),
]

LOGO = encoded(picture("RG/BY"), "PNG")

ALLOWED = "http://,https://"
"""Every host: only the addresses are in the way."""

ADDRESSES = (
    *("127.0.0.1", "127.0.0.53", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.254"),  # noqa: S104
    *("192.168.0.1", "169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200", "168.63.129.16"),
    *("192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "192.88.99.1", "224.0.0.1"),
    *("239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *(
        "[::]",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[::ffff:10.0.0.1]",
    ),
    *("[::ffff:0:127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::127.0.0.1]"),
    *("[2002:7f00:1::]", "[2002:a9fe:a9fe::1]", "[2001:0:7f00:1::]", "[2001:db8::1]", "[fc00::1]", "[fd00:ec2::254]"),
    *("[fe80::1]", "[fec0::1]", "[ff02::1]", "[100::1]", "[5f00::1]", "[3fff::1]", "[2606:4700::5efe:7f00:1]"),
)

CODES = ("source_not_allowed", "source_failed", "bad_source")

SPELLINGS = (
    *("127.1", "127.0.1", "0", "0x7f.1", "0x7f000001", "0X7F.0.0.1", "0177.0.0.1", "017700000001", "2130706433"),
    *("2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "010.0.0.1", "127.000.000.001", "localhost", "LOCALHOST"),
    *("localhost.localdomain", "ip6-localhost"),
)
"""Of addresses and names that the resolver of the system understands, or not."""

PRIVATE_NAMES = [name for name in NAMES if not name.startswith(("public", "rebind"))]

UNREADABLE = (
    *("http://public.test@127.0.0.1/a", "http://127.0.0.1#@public.test/a", "http://public.test\\@127.0.0.1/a"),
    *(
        "http://public.test:80@127.0.0.1:80/a",
        "http://127.0.0.1%2f@public.test/a",
        "http:127.0.0.1/a",
        "http:///127.0.0.1/a",
    ),
    *(
        "http://127.0.0.1%23.public.test/a",
        "http://127.0.0.1%00.public.test/a",
        "http://１２７.0.0.1/a",
        "http://①②⑦.0.0.1/",
    ),
    *(
        "http://[::1%25lo]/a",
        "http://[::ffff:127.0.0.1%25lo]/a",
        "http://127。0。0。1/a",
        "http://127.0.0.1\t.public.test/",
    ),
    *("gopher://127.0.0.1:80/_GET", "file:///etc/passwd", "dict://127.0.0.1/", "jar:http://127.0.0.1!/a", "data:,a"),
    *("http://public.test\r\nHost:127.0.0.1/", "http://public.test/a HTTP/1.1\r\nX:", "unix:///run/docker.sock"),
)


@contextmanager
def inside(made: Network, *flags: str) -> Iterator[httpx.Client]:
    """A client of a server in the network; a Unix socket leads out of it."""
    folder = Path(tempfile.mkdtemp(prefix="imgsrv-far-"))
    socket_file = folder / "s"
    program = [*made.inside, sys.executable, "-m", "imgsrv"]
    try:
        with serving("--workers=1", f"--host=unix:{socket_file}", *flags, program=program):
            transport = httpx.HTTPTransport(uds=str(socket_file))
            with httpx.Client(transport=transport, base_url="http://imgsrv", timeout=30) as client:
                yield client
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with network(tmp_path_factory.mktemp("network"), LOGO) as made:
        yield made


@pytest.fixture(scope="module")
def asking(far: Network) -> Iterator[httpx.Client]:
    with inside(far, f"--source-http={ALLOWED}", "--source-timeout-s=5") as client:
        yield client


def fetched(client: httpx.Client, url: str) -> httpx.Response:
    return client.get(f"/flip?source={quote(url, safe='')}")


def refused(far: Network, client: httpx.Client, url: str) -> httpx.Response:
    """The answer to a source that must not be connected to."""
    before = far.connections()
    answer = fetched(client, url)

    assert far.connections() == before
    assert 400 <= answer.status_code < 600, answer.status_code
    return answer


@pytest.mark.parametrize(
    "address", [PUBLIC, OTHER_PUBLIC, f"[{PUBLIC_6}]", "public.test", "public6.test", "[64:ff9b::1.1.1.1]"]
)
def test_a_public_address_is_connected_to(far: Network, asking: httpx.Client, address: str) -> None:
    before = len(far.connections())

    assert fetched(asking, f"http://{address}/a.png").status_code == 200
    assert len(far.connections()) == before + 1


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_that_is_not_public_is_refused(far: Network, asking: httpx.Client, address: str) -> None:
    answer = refused(far, asking, f"http://{address}/a.png")

    assert (answer.status_code, answer.json()["code"]) == (403, "source_not_allowed")
    assert "--source-private-addresses" in answer.json()["detail"]


@pytest.mark.parametrize("host", SPELLINGS)
def test_another_spelling_of_an_address_changes_nothing(far: Network, asking: httpx.Client, host: str) -> None:
    assert refused(far, asking, f"http://{host}/a.png").json()["code"] in CODES


@pytest.mark.parametrize("name", PRIVATE_NAMES)
def test_a_name_with_an_address_that_is_not_public_is_refused(far: Network, asking: httpx.Client, name: str) -> None:
    assert refused(far, asking, f"http://{name}/a.png").json()["code"] == "source_not_allowed"


@pytest.mark.parametrize("url", UNREADABLE)
def test_what_is_no_plain_url_is_refused(far: Network, asking: httpx.Client, url: str) -> None:
    answer = refused(far, asking, url)

    assert answer.status_code in (400, 403), answer.text


@pytest.mark.parametrize(
    "target",
    [
        *(
            "http://127.0.0.1/a.png",
            "http://169.254.169.254/latest/meta-data/",
            "http://[::1]/a.png",
            "//127.0.0.1/a.png",
        ),
        *("http://loopback.test/a.png", "http://mapped.test/a.png", "http://2130706433/a.png", "http://0x7f.1/a.png"),
        *("http://me@127.0.0.1/a.png", "file:///etc/passwd", "gopher://127.0.0.1/", "http:/\\127.0.0.1/a.png"),
        *("\\\\127.0.0.1/a.png", "http://127.0.0.1\\@public.test/a.png", "http://public.test:22/"),
        *("http://public.test/to?http://127.0.0.1/a.png", "http://public.test/to?http://loopback6.test/a.png"),
    ],
)
def test_a_redirect_is_checked_as_the_first_url_is(far: Network, asking: httpx.Client, target: str) -> None:
    before = len(far.connections())
    answer = fetched(asking, f"http://public.test/to?{quote(target, safe='')}")

    assert answer.json()["code"] in ("source_not_allowed", "source_failed")
    assert set(far.connections()[before:]) == {PUBLIC}


@pytest.mark.parametrize("name", ["rebind.test", "rebind-at-once.test"])
def test_a_name_that_changes_between_two_questions_changes_nothing(
    far: Network, asking: httpx.Client, name: str
) -> None:
    before = len(far.connections())
    answers = [fetched(asking, f"http://{name}/a.png") for _ in range(12)]

    assert {answer.status_code for answer in answers} == {200, 403}
    assert set(far.connections()[before:]) == {PUBLIC}


def test_names_that_nobody_answers_for_do_not_stop_uploads(far: Network, tmp_path: Path) -> None:
    count = 3 * MOST_LOOKUPS
    with (
        inside(far, f"--source-http={ALLOWED}", f"--uploads-dir={tmp_path}") as client,
        ThreadPoolExecutor(max_workers=count) as asking,
    ):
        names = [asking.submit(fetched, client, f"http://a{number}{SILENT}/") for number in range(count)]
        wait(names, return_when=FIRST_COMPLETED)
        assert client.post("/uploads", content=LOGO).status_code == 201
        waiting = sum(not name.done() for name in names)
        assert {name.result().json()["code"] for name in names} == {"source_failed"}
    # In the same threads, the upload would come when nearly all lookups are over.
    assert waiting > MOST_LOOKUPS


def test_a_port_that_is_not_allowed_is_refused(far: Network, asking: httpx.Client) -> None:
    for port in (22, 25, 6379, 8080):
        assert refused(far, asking, f"http://public.test:{port}/").json()["code"] == "source_not_allowed"


def test_a_host_that_is_not_on_the_list_is_refused(far: Network) -> None:
    with inside(far, "--source-http=http://public.test/photos/") as client:
        assert fetched(client, "http://public.test/photos/a.png").status_code == 200
        for url in (
            *("http://public6.test/photos/a.png", f"http://{PUBLIC}/photos/a.png", "http://public.test/a.png"),
            *(
                "http://public.test/photos/../a.png",
                "http://public.test/photos/%2e%2e/a.png",
                "http://public.test/photosX",
            ),
            *("https://public.test/photos/a.png", "http://public.test.private.test/photos/a.png"),
            *("http://public.test/photos/..%2fa.png", "http://public.test/photos/%252e%252e%252fa.png"),
        ):
            assert refused(far, client, url).status_code in (400, 403), url


def test_the_operator_may_allow_an_address(far: Network) -> None:
    with inside(far, f"--source-http={ALLOWED}", "--source-private-addresses=10.0.0.0/24") as client:
        assert fetched(client, "http://private.test/a.png").status_code == 200
        assert refused(far, client, "http://10.0.1.1/a.png").status_code == 403
        assert refused(far, client, "http://127.0.0.1/a.png").status_code == 403
