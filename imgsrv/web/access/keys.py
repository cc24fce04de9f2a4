"""API keys: a file of salted hashes, one key a line, and the key that a request shows.

A key is `imgsrv_ID_SECRET`.  The id finds its line; the secret has 256 random bits, so one round of SHA-256 over it is
enough: a slow hash protects secrets that people choose, and would cost each request what it costs an attacker.

    shop 3f9c2a7be15d0846 SALT HASH limit=100/minute presets=thumb,large
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from imgsrv.web.access.rates import Limit, parse_limit

PREFIX = "imgsrv"

TOKEN = re.compile(rf"{PREFIX}_([0-9a-f]{{16}})_([A-Za-z0-9_-]{{43}})")

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")

HEX = re.compile(r"[0-9a-f]+")

ID_DIGITS, SALT_DIGITS, HASH_DIGITS = 16, 32, 64

OPTIONS = ("limit", "work", "presets", "operator")

MOST_KEYS = 100_000


class BadKeyLine(ValueError):
    """A line of the file that is none."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key.

    limit, work: of requests and of engine seconds; None for those of the settings.  presets: the only ones that it may
    ask for; None if it may ask for anything.  is_operator: it may read /metrics.
    """

    name: str
    id: str
    salt: bytes
    digest: bytes
    limit: Limit | None = None
    work: Limit | None = None
    presets: tuple[str, ...] | None = None
    is_operator: bool = False

    def __str__(self) -> str:
        """The line in the file."""
        options = [f"{name}={value}" for name in ("limit", "work") if (value := getattr(self, name)) is not None]
        options += [f"presets={','.join(self.presets)}"] if self.presets is not None else []
        options += ["operator"] if self.is_operator else []
        return " ".join((self.name, self.id, self.salt.hex(), self.digest.hex(), *options))


NOBODY = Key("", "", bytes(SALT_DIGITS // 2), bytes(HASH_DIGITS // 2))
"""Compared with a secret whose id nobody has, so that the time does not tell which ids exist."""


class Keys:
    """The keys of a file, found by their ids."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._by_id: Mapping[str, Key] = {key.id: key for key in keys}

    def __len__(self) -> int:
        return len(self._by_id)

    def find(self, token: str) -> Key | None:
        """The key that a request shows; None if it is none of these."""
        match = TOKEN.fullmatch(token)
        if match is None:
            return None
        key = self._by_id.get(match[1], NOBODY)
        is_right = hmac.compare_digest(hashed(key.salt, match[2]), key.digest)
        return key if is_right and key is not NOBODY else None


def make_key(
    name: str, limit: Limit | None, work: Limit | None, presets: tuple[str, ...] | None, *, operator: bool
) -> tuple[Key, str]:
    """A new key, and the text that its owner sends.  The text is kept nowhere."""
    number, secret, salt = (
        secrets.token_hex(ID_DIGITS // 2),
        secrets.token_urlsafe(32),
        secrets.token_bytes(SALT_DIGITS // 2),
    )
    key = Key(name, number, salt, hashed(salt, secret), limit, work, presets, operator)
    return key, f"{PREFIX}_{number}_{secret}"


def hashed(salt: bytes, secret: str) -> bytes:
    """What the file has in place of a secret."""
    return hashlib.sha256(salt + secret.encode()).digest()


def parse_keys(text: str) -> list[Key]:
    """The keys of a file, in its order.  Raises BadKeyLine with the number of the line and the reason."""
    keys: list[Key] = []
    taken = set[str]()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            key = parse_key(line)
        except ValueError as error:
            raise BadKeyLine(f"line {number}: {error}") from None
        if not taken.isdisjoint((key.name, f" {key.id}")):
            raise BadKeyLine(f"line {number}: there is another key named {key.name} or with its id; give each its own")
        if len(keys) == MOST_KEYS:
            raise BadKeyLine(f"line {number}: a file may have {MOST_KEYS} keys")
        keys.append(key)
        taken.update((key.name, f" {key.id}"))
    return keys


def parse_key(line: str) -> Key:
    """One line.  Raises ValueError."""
    name, *rest = line.split()
    if NAME.fullmatch(name) is None:
        raise ValueError("a name has 1 to 64 letters, digits and ._-, the first a letter or a digit")
    if len(rest) < 3:  # noqa: PLR2004  the id, the salt and the hash
        raise ValueError(f"{name} needs an id, a salt and a hash; `imgsrv keys add` writes them")
    number, salt, digest = rest[:3]
    for what, given, digits in (("id", number, ID_DIGITS), ("salt", salt, SALT_DIGITS), ("hash", digest, HASH_DIGITS)):
        if len(given) != digits or HEX.fullmatch(given) is None:
            raise ValueError(f"the {what} of {name} must have {digits} digits from 0 to f")
    return Key(name, number, bytes.fromhex(salt), bytes.fromhex(digest), **_options(name, rest[3:]))


def _options(name: str, words: list[str]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for word in words:
        option, _, value = word.partition("=")
        if option not in OPTIONS:
            raise ValueError(f"{name} has {option!r}, which is none of {', '.join(OPTIONS)}")
        if option == "operator":
            given["is_operator"] = True
        elif option == "presets":
            given[option] = tuple(filter(None, value.split(",")))
        else:
            try:
                given[option] = parse_limit(value)
            except ValueError as error:
                raise ValueError(f"{option} of {name}: {error}") from None
    return given
