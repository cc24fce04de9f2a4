"""Signed URLs: HMAC-SHA256 over the method and the target, exactly as they are sent.

    /resize?source=…&width=800&expires=1798761600&signer=2026a&signature=B64
    ^-------------------------- signed --------------------^

What is signed are the bytes `GET ` (also for HEAD) or `POST `, and then everything before `&signature=`: path, `?` and
query, with no byte decoded, reordered or left out.  `signature` is the last parameter.  A body is not signed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

from imgsrv.errors import BadSignature, MissingSignature, UrlExpired

PARAMETER = b"signature="
"""It begins the last parameter of a signed query."""

SIGNATURE = re.compile(rb"[A-Za-z0-9_-]{43}=?")
"""32 bytes in base64 for URLs, with or without padding."""

EXPIRES = re.compile(rb"[0-9]{1,12}")

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")

LEAST_SECRET = 16
"""Characters of a secret; HMAC is as strong as its key."""

OWN = (b"expires", b"signer")
"""Parameters of the signature itself, which the routes do not see."""


class BadSecretLine(ValueError):
    """A line of the file of secrets that is none."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What a valid signature says.

    query: without the parameters of the signature.  signer: the name of its secret.  expires: in Unix time, or None.
    """

    query: bytes
    signer: str
    expires: int | None = None


class Secrets:
    """The secrets that sign, by their names.  All are valid, so a new one is in use before an old one goes."""

    def __init__(self, secrets: Mapping[str, bytes] | None = None) -> None:
        self._secrets = {name.encode(): secret for name, secret in (secrets or {}).items()}

    def __len__(self) -> int:
        return len(self._secrets)

    def check(self, method: str, path: bytes, query: bytes, now: float) -> Signed:
        """What a signed request asks for.  path, query: as they were sent.  now: Unix time.

        Raises MissingSignature, BadSignature, UrlExpired.
        """
        signed, found, given = query.rpartition(PARAMETER)
        if not found or (signed and not signed.endswith(b"&")):
            raise MissingSignature
        signed = signed.removesuffix(b"&")
        own = _own(signed)
        signer = own.get(b"signer", b"")
        secret = self._secrets.get(signer)
        right = hmac.digest(secret or b"nobody", _message(method, path, signed), hashlib.sha256)
        # The comparison comes in any case, so that the time does not tell which signers exist.
        if not hmac.compare_digest(right, _decoded(given)) or secret is None:
            raise BadSignature(None if secret is not None else signer.decode("ascii", "replace")[:64])
        expires = _valid_until(own.get(b"expires", b""), now)
        rest = b"&".join(part for part in signed.split(b"&") if part.partition(b"=")[0] not in OWN)
        return Signed(rest, signer.decode(), expires)


def sign(secret: bytes, method: str, target: str, signer: str, expires: int | None = None) -> str:
    """The target with a signature.  target: path and query, percent-encoded as it will be sent."""
    path, _, query = target.partition("?")
    parts = [query] if query else []
    parts += [f"expires={expires}"] if expires is not None else []
    signed = "&".join((*parts, f"signer={signer}"))
    digest = hmac.digest(secret, _message(method, path.encode(), signed.encode()), hashlib.sha256)
    return f"{path}?{signed}&signature={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def parse_secrets(text: str) -> dict[str, bytes]:
    """The secrets of a file, `NAME SECRET` in each line.  Raises BadSecretLine with the number of the line."""
    secrets: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 2:  # noqa: PLR2004  a name and a secret
            raise BadSecretLine(f"line {number}: it must have a name and a secret, with a space between them")
        name, secret = words
        if NAME.fullmatch(name) is None:
            raise BadSecretLine(f"line {number}: a name has 1 to 64 letters, digits, - and _")
        if name in secrets:
            raise BadSecretLine(f"line {number}: there is another secret named {name}")
        if len(secret) < LEAST_SECRET:
            raise BadSecretLine(f"line {number}: the secret {name} is shorter than {LEAST_SECRET} characters")
        secrets[name] = secret.encode()
    return secrets


def is_signed(query: bytes) -> bool:
    """True if a query claims to be signed."""
    return query.startswith(PARAMETER) or b"&" + PARAMETER in query


def unsigned(query: bytes) -> bytes:
    """A query for the log: whoever reads that must not get a URL that works."""
    signed, found, _signature = query.rpartition(PARAMETER)
    return signed + found + b"..." if found else query


def _message(method: str, path: bytes, signed: bytes) -> bytes:
    word = b"GET " if method in ("GET", "HEAD") else method.encode() + b" "
    return word + path + b"?" + signed


def _own(signed: bytes) -> dict[bytes, bytes]:
    """The parameters of the signature.  Raises BadSignature for one that is there twice."""
    found: dict[bytes, bytes] = {}
    for part in signed.split(b"&"):
        name, _, value = part.partition(b"=")
        if name in OWN:
            if name in found:
                raise BadSignature(None)
            found[name] = value
    return found


def _decoded(given: bytes) -> bytes:
    return base64.urlsafe_b64decode(given[:43] + b"=") if SIGNATURE.fullmatch(given) else b""


def _valid_until(expires: bytes, now: float) -> int | None:
    if not expires:
        return None
    if EXPIRES.fullmatch(expires) is None:
        raise BadSignature(None)
    if now >= int(expires):
        raise UrlExpired(int(expires), int(now))
    return int(expires)
