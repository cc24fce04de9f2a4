"""`format=auto`: the Accept headers that browsers and tools send, and what each of them gets for a photograph."""

from __future__ import annotations

import pytest
from pictures import sample

from imgsrv.imaging.codecs.auto_format import choose
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.model.picture import Picture
from imgsrv.web.accept import offers, takes_gzip

SERVER = ("webp", "avif")


def negotiate(accept: str, own: str, preferred: tuple[str, ...]) -> str:
    """What a photograph is answered in."""
    photograph = Picture((sample("chelsea.png"),), own)
    return choose(photograph, own, offers(accept, own, preferred), Output())[0]


@pytest.mark.parametrize(
    ("accept", "own", "chosen"),
    [
        pytest.param(
            "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5", "jpeg", "webp", id="firefox"
        ),
        pytest.param("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", "jpeg", "webp", id="chrome"),
        pytest.param("image/webp,image/png;q=0.8,*/*;q=0.5", "png", "webp", id="webp-before-its-own"),
        pytest.param("*/*", "jpeg", "jpeg", id="curl"),
        pytest.param("image/*", "png", "jpeg", id="any-picture"),
        pytest.param("image/*", "avif", "avif", id="its-own-is-as-good"),
        pytest.param("", "avif", "avif", id="empty"),
        pytest.param("image/avif", "jpeg", "avif", id="avif-alone"),
        pytest.param("image/avif, image/webp;q=0.9", "jpeg", "avif", id="avif-preferred"),
        pytest.param("image/avif;q=0.9, image/webp", "jpeg", "webp", id="webp-preferred"),
        pytest.param("image/webp;q=0", "jpeg", "jpeg", id="webp-forbidden"),
        pytest.param("image/webp;q=0, image/avif", "jpeg", "avif", id="webp-forbidden-avif-allowed"),
        pytest.param("image/jpeg, image/webp;q=0.5", "jpeg", "jpeg", id="its-own-preferred"),
        pytest.param("image/webp;q=0.5, */*", "jpeg", "jpeg", id="anything-preferred"),
        pytest.param("IMAGE/WEBP", "jpeg", "webp", id="upper-case"),
        pytest.param("image/webp ; q=1.0 , */* ; q=0.1", "jpeg", "webp", id="spaces"),
        pytest.param("image/webpx", "jpeg", "jpeg", id="a-name-that-only-begins-so"),
        pytest.param("image/webp;q=lots", "jpeg", "jpeg", id="unreadable-quality"),
        pytest.param("text/html", "jpeg", "jpeg", id="no-picture"),
        pytest.param(";;,,=;q", "jpeg", "jpeg", id="garbage"),
    ],
)
def test_the_accept_header_chooses(accept: str, own: str, chosen: str) -> None:
    assert negotiate(accept, own, SERVER) == chosen


def test_the_servers_order_decides_between_equals() -> None:
    assert negotiate("image/avif,image/webp", "jpeg", ("avif", "webp")) == "avif"


def test_a_format_the_server_does_not_prefer_is_not_chosen() -> None:
    assert negotiate("image/avif", "jpeg", ("webp",)) == "jpeg"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param("gzip", True, id="gzip"),
        pytest.param("br, GZIP;q=0.5", True, id="among-others"),
        pytest.param("*", True, id="anything"),
        pytest.param("", False, id="nothing"),
        pytest.param("identity", False, id="another"),
        pytest.param("gzip;q=0", False, id="refused"),
        pytest.param("gzip; q = 0, *", False, id="refused-among-anything"),
        pytest.param("gzip;q=much", False, id="no-number"),
        pytest.param("gzip," * 2000, False, id="too-long"),
    ],
)
def test_a_client_takes_gzip(header: str, *, expected: bool) -> None:
    assert takes_gzip(header) is expected
