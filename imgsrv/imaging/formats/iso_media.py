"""The brands of an ISO media file (ISO/IEC 14496-12, 4.3), by which AVIF and HEIC are told apart."""

from __future__ import annotations

from collections.abc import Container


def has_brand(head: bytes, known: Container[bytes]) -> bool:
    """The file that begins with `head` names one of the brands, as its own or as one that it is compatible with."""
    if head[4:8] != b"ftyp":
        return False
    box = head[8 : int.from_bytes(head[:4], "big")]
    return box[:4] in known or any(box[at : at + 4] in known for at in range(8, len(box), 4))
