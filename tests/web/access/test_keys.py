"""API keys: the file, and the key that a request shows."""

from __future__ import annotations

import hashlib
import re

import pytest

from imgsrv.web.access.keys import BadKeyLine, Keys, make_key, parse_key, parse_keys
from imgsrv.web.access.rates import parse_limit

KEY, TOKEN = make_key("shop", parse_limit("100/minute"), None, ("thumb", "large"), operator=False)
OTHER, OTHERS_TOKEN = make_key("ops", None, parse_limit("30/minute"), None, operator=True)


def test_a_key_is_found_by_what_its_owner_sends() -> None:
    keys = Keys([KEY, OTHER])
    assert keys.find(TOKEN) is KEY
    assert keys.find(OTHERS_TOKEN) is OTHER


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="empty"),
        pytest.param(TOKEN[:-1], id="cut"),
        pytest.param(TOKEN + "A", id="longer"),
        pytest.param(TOKEN[:-1] + ("A" if TOKEN[-1] != "A" else "B"), id="another-secret"),
        pytest.param(re.sub("_[0-9a-f]{16}_", f"_{OTHER.id}_", TOKEN), id="the-id-of-another-key"),
        pytest.param(re.sub("_[0-9a-f]{16}_", "_0000000000000000_", TOKEN), id="an-id-of-nobody"),
        pytest.param("imgsrv_0000000000000000_" + "A" * 43, id="made-up"),
        pytest.param(TOKEN.replace("imgsrv", "other"), id="another-prefix"),
        pytest.param("shop", id="the-name"),
        pytest.param(KEY.digest.hex(), id="the-hash"),
        pytest.param("\udcff" * 60, id="no-text"),
    ],
)
def test_anything_else_is_no_key(token: str) -> None:
    assert Keys([KEY, OTHER]).find(token) is None
    assert Keys().find(token) is None


def test_the_file_has_a_salted_hash_and_no_secret() -> None:
    secret = TOKEN.rpartition("_")[2] if TOKEN.count("_") == 2 else TOKEN.split("_", 2)[2]
    assert secret not in str(KEY)
    assert KEY.digest == hashlib.sha256(KEY.salt + secret.encode()).digest()
    again, _token = make_key("shop", None, None, None, operator=False)
    assert (again.salt, again.id) != (KEY.salt, KEY.id)


def test_a_line_is_its_key_and_back() -> None:
    for key in (KEY, OTHER):
        assert parse_key(str(key)) == key


def test_a_file_has_comments_and_empty_lines() -> None:
    assert parse_keys(f"# keys\n\n{KEY}\n  # more\n{OTHER}\n") == [KEY, OTHER]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param("shop", "needs an id, a salt and a hash", id="a-name-alone"),
        pytest.param(str(KEY).replace("shop", "-shop"), "a name has", id="a-bad-name"),
        pytest.param(str(KEY).replace(KEY.id, "x" * 16), "the id of shop", id="an-id-of-letters"),
        pytest.param(str(KEY).replace(KEY.id, KEY.id[:-1]), "the id of shop", id="a-short-id"),
        pytest.param(str(KEY).replace(KEY.digest.hex(), "00"), "the hash of shop", id="a-short-hash"),
        pytest.param(f"{KEY} colour=red", "'colour', which is none of", id="an-unknown-option"),
        pytest.param(str(KEY).replace("100/minute", "100"), "limit of shop: it must be a rate", id="a-bad-limit"),
        pytest.param(f"{OTHER}\n{OTHER}", "another key named ops", id="twice"),
        pytest.param(f"{OTHER}\n{str(OTHER).replace('ops', 'also')}", "or with its id", id="one-id-twice"),
    ],
)
def test_a_wrong_line_is_named_with_the_reason(line: str, reason: str) -> None:
    with pytest.raises(BadKeyLine, match=rf"^line {2 + line.count(chr(10))}: .*{reason}"):
        parse_keys(f"# keys\n{line}\n")
