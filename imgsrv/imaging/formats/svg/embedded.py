"""Pictures that a drawing embeds as data URLs: their bytes, and how they are written anew."""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error
from urllib.parse import unquote_to_bytes

from imgsrv.errors import Undecodable
from imgsrv.imaging.formats.svg.source import NAME

DATA = "data:"

DRAWING = "image/svg+xml"

DRAWN = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
"""First bytes of the pictures that resvg draws, beside WebP, with the type by which it knows them."""

NOT_DRAWN = ((b"BM", "BMP"), (b"\0\0\1\0", "Windows icon"), (b"ftypavif", "AVIF"), (b"ftypavis", "AVIF"))
"""Pictures that browsers draw in a drawing and resvg does not."""

WHITE_SPACE = b" \t\n\f\r"

LEAVE_OUT = "embed it as a PNG or a JPEG"


def is_embedded(reference: str) -> bool:
    """The reference is a data URL."""
    return reference[: len(DATA)].lower() == DATA


def bytes_of(reference: str) -> bytes:
    """The bytes that a data URL holds; none where they cannot be read.

    Its fragment does not belong to them.  A drawing may have colours such as #f00 though they should be encoded.
    """
    kind, _, body = reference[len(DATA) :].partition(",")
    body, mark, fragment = body.rpartition("#") if "#" in body else (body, "", "")
    data = unquote_to_bytes(body + mark + fragment if ">" in fragment else body)
    if not kind.rstrip().lower().endswith("base64"):
        return data
    text = data.translate(None, WHITE_SPACE).rstrip(b"=")
    try:
        return b64decode(text + b"=" * (-len(text) % 4))
    except Error:
        return b""


def kind_of(data: bytes) -> str | None:
    """The media type of a picture by its first bytes, whatever its data URL says; None for no known one.

    Raises Undecodable for a picture that browsers would show and that is not drawn here.
    """
    for start, kind in DRAWN:
        if data.startswith(start):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    for start, label in NOT_DRAWN:
        if data.startswith(start) or data[4:12] == start:
            raise Undecodable(NAME, f"it embeds a picture that is not drawn here: {label}", LEAVE_OUT)
    return None


def data_url(kind: str, data: bytes) -> str:
    """A data URL in the one form that resvg gets."""
    return f"{DATA}{kind};base64,{b64encode(data).decode()}"
