"""`imgsrv sign`: sign a URL with a secret of the file of the setting `secrets_file`, or make such a secret."""

from __future__ import annotations

import argparse
import re
import secrets
import time
from pathlib import Path
from typing import Any

from imgsrv.cli.access.named_file import add_file, file_of
from imgsrv.errors import BadArgument
from imgsrv.web.access.signatures import NAME, BadSecretLine, parse_secrets, sign

SETTING = "secrets_file"

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

FOR = re.compile(r"([0-9]{1,9})([smhd])")

TARGET = re.compile(r"(https?://[^/?#\s]+)?(/[!-~]*)")
"""An URL without characters that a client would encode before it sends them."""


def add_parser(commands: Any) -> None:
    """Add `sign` to the commands."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "sign",
        description="Print the URL with a signature.  The server must have the same file as its secrets_file.",
    )
    add_file(parser, SETTING)
    parser.add_argument("--signer", metavar="NAME", help="name of the secret; the last one of the file if left out")
    parser.add_argument("--for", dest="valid_s", type=_seconds, metavar="TIME", help="valid so long, such as 30m or 7d")
    parser.add_argument("--method", choices=("GET", "POST", "DELETE"), default="GET", help="GET is for HEAD too [GET]")
    parser.add_argument(
        "--new-secret", metavar="NAME", help="print a line with a new secret, for the file, and do nothing else"
    )
    parser.add_argument("url", nargs="?", metavar="URL", help="URL or path with its query, such as '/resize?width=80'")
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Print the signed URL, or a new secret.  Raises BadArgument."""
    if parsed.new_secret is not None:
        if NAME.fullmatch(parsed.new_secret) is None:
            raise BadArgument("a name has 1 to 64 letters, digits, - and _")
        print(f"{parsed.new_secret} {secrets.token_urlsafe(32)}")
        return 0
    if parsed.url is None:
        raise BadArgument("name a URL to sign, or --new-secret NAME to make a secret")
    known = _secrets(file := file_of(parsed, SETTING))
    signer = parsed.signer or next(reversed(known), None)
    if signer not in known:
        raise BadArgument(f"{file} has no secret {signer!r}" if signer else f"{file} has no secret")
    match = TARGET.fullmatch(parsed.url)
    if match is None or "#" in parsed.url:
        raise BadArgument(
            f"{parsed.url!r} is no URL or path as it is sent; begin it with / or https://, and encode white space and "
            "other letters as %.."
        )
    expires = None if parsed.valid_s is None else int(time.time()) + parsed.valid_s
    print((match[1] or "") + sign(known[signer], parsed.method, match[2], signer, expires))
    return 0


def _seconds(text: str) -> int:
    match = FOR.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed: it must be a time such as 90s, 30m, 12h or 7d")
    return int(match[1]) * UNITS_S[match[2]]


def _secrets(file: Path) -> dict[str, bytes]:
    try:
        return parse_secrets(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadArgument(f"{file} cannot be read: {error.strerror}") from None
    except (BadSecretLine, UnicodeDecodeError) as error:
        raise BadArgument(f"{file} is no file of secrets: {error}") from None
