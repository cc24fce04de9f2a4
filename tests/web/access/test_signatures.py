"""Signed URLs: what is signed, who signs, and until when.  The right values come from openssl, where it is there."""

from __future__ import annotations

import base64
import hashlib
import hmac
import shutil
import subprocess

import pytest

from imgsrv.errors import BadSignature, MissingSignature, UrlExpired
from imgsrv.web.access.signatures import BadSecretLine, Secrets, parse_secrets, sign, unsigned

SECRET, OLD = b"a secret of 2026, second half", b"a secret of the year before"
SECRETS = Secrets({"b": SECRET, "a": OLD})
NOW = 1_800_000_000


def check(target: str, method: str = "GET", now: float = NOW) -> tuple[bytes, str]:
    path, _, query = target.partition("?")
    signed = SECRETS.check(method, path.encode(), query.encode(), now)
    return signed.query, signed.signer


def test_a_signed_query_is_what_was_signed_without_the_signature() -> None:
    url = sign(SECRET, "GET", "/resize?source=a%2Fb.jpg&width=80", "b", NOW + 60)
    assert check(url) == (b"source=a%2Fb.jpg&width=80", "b")


def test_the_signature_is_an_hmac_of_the_method_and_the_target() -> None:
    url = sign(SECRET, "GET", "/resize?width=80", "b", NOW + 60)
    message = f"GET /resize?width=80&expires={NOW + 60}&signer=b".encode()
    right = base64.urlsafe_b64encode(hmac.new(SECRET, message, hashlib.sha256).digest()).decode().rstrip("=")
    assert url == f"{message.removeprefix(b'GET ').decode()}&signature={right}"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_makes_the_same_signature() -> None:
    url = sign(SECRET, "GET", "/resize?width=80", "b")
    signed, _, signature = url.partition("&signature=")
    command = ["openssl", "dgst", "-sha256", "-hmac", SECRET.decode(), "-binary"]
    made = subprocess.run(command, input=b"GET " + signed.encode(), capture_output=True, check=True).stdout
    assert base64.urlsafe_b64decode(signature + "=") == made


def test_every_secret_of_the_file_is_valid_and_named() -> None:
    for name, secret in (("a", OLD), ("b", SECRET)):
        assert check(sign(secret, "GET", "/info?source=x", name)) == (b"source=x", name)


def test_head_may_use_the_url_for_get_and_post_may_not() -> None:
    url = sign(SECRET, "GET", "/flip?source=x", "b")
    assert check(url, "HEAD") == check(url)
    with pytest.raises(BadSignature):
        check(url, "POST")
    assert check(sign(SECRET, "POST", "/flip", "b"), "POST") == (b"", "b")


def test_padding_is_allowed() -> None:
    url = sign(SECRET, "GET", "/flip?source=x", "b")
    assert check(url + "=") == check(url)


GOOD = sign(SECRET, "GET", "/resize?source=x&width=80", "b", NOW + 60)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param(GOOD.replace("width=80", "width=81"), id="another-width"),
        pytest.param(GOOD.replace("/resize", "/flip"), id="another-path"),
        pytest.param(GOOD.replace("source=x&width=80", "width=80&source=x"), id="another-order"),
        pytest.param(GOOD.replace("width=80", "width=%380"), id="the-same-in-other-bytes"),
        pytest.param(GOOD.replace("?", "?&"), id="an-empty-parameter"),
        pytest.param(GOOD.replace(str(NOW + 60), str(NOW + 99)), id="a-later-end"),
        pytest.param(GOOD.replace(f"&expires={NOW + 60}", ""), id="no-end"),
        pytest.param(GOOD.replace("signer=b", "signer=a"), id="another-signer"),
        pytest.param(GOOD.replace("&signer=b", ""), id="no-signer"),
        pytest.param(GOOD.replace("signer=b", "signer=c"), id="an-unknown-signer"),
        pytest.param(GOOD[:-1], id="a-cut-signature"),
        pytest.param(GOOD + "&x=1", id="more-behind"),
        pytest.param(GOOD + "==", id="too-much-padding"),
        pytest.param(GOOD.partition("signature=")[0] + "signature=", id="an-empty-signature"),
        pytest.param(GOOD + "&signature=" + GOOD[-43:], id="two-signatures"),
        pytest.param(sign(b"not the secret of this server", "GET", "/flip", "b"), id="another-secret"),
        pytest.param(sign(b"nobody", "GET", "/flip", "c"), id="the-secret-of-nobody"),
        pytest.param(sign(SECRET, "GET", f"/flip?signer=b&expires={NOW - 9}", "b", NOW + 9), id="two-ends"),
        pytest.param(sign(SECRET, "GET", "/flip?expires=soon", "b"), id="an-end-that-is-no-time"),
    ],
)
def test_a_forged_url_is_refused(url: str) -> None:
    with pytest.raises(BadSignature):
        check(url)


def test_a_url_without_a_signature_is_refused() -> None:
    for url in ("/flip", "/flip?x=1", "/flip?xsignature=abc"):
        with pytest.raises(MissingSignature):
            check(url)


def test_a_url_expires_at_its_second_and_says_so() -> None:
    assert check(GOOD, now=NOW + 59.9)
    with pytest.raises(UrlExpired, match="expired 0 s ago"):
        check(GOOD, now=NOW + 60)


def test_an_expired_url_that_is_forged_too_is_called_forged() -> None:
    with pytest.raises(BadSignature):
        check(GOOD[:-1], now=NOW + 600)


def test_an_unknown_signer_is_named() -> None:
    with pytest.raises(BadSignature, match="'c', which this server does not have"):
        check(GOOD.replace("signer=b", "signer=c"))


def test_the_log_has_no_url_that_works() -> None:
    assert unsigned(b"a=1&signature=xyz") == b"a=1&signature=..."
    assert unsigned(b"a=1") == b"a=1"


def test_a_file_of_secrets_is_read() -> None:
    assert parse_secrets("# rotated in May\n\na 0123456789abcdef\nb-2 fedcba9876543210\n") == {
        "a": b"0123456789abcdef",
        "b-2": b"fedcba9876543210",
    }


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param("a", "a name and a secret", id="no-secret"),
        pytest.param("a b c", "a name and a secret", id="three-words"),
        pytest.param("a/b 0123456789abcdef", "a name has", id="a-bad-name"),
        pytest.param("a short", "shorter than 16", id="a-short-secret"),
        pytest.param("a 0123456789abcdef\na 0123456789abcdee", "another secret named a", id="twice"),
    ],
)
def test_a_wrong_line_of_secrets_is_named(line: str, reason: str) -> None:
    with pytest.raises(BadSecretLine, match=rf"^line {1 + line.count(chr(10))}: .*{reason}"):
        parse_secrets(line)
