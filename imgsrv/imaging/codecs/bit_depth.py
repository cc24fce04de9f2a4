"""Bits of a channel in a file."""

from __future__ import annotations

from imgsrv.imaging.codecs.decode import Header
from imgsrv.imaging.formats.format import PLAIN_BITS
from imgsrv.imaging.model.broken import broken_is_ours
from imgsrv.imaging.model.limits import Data

DEPTH_BYTES = 65_536
"""First bytes of a file, in which every format names its depth."""


def bit_depth_of(header: Header, data: Data) -> int:
    """Bits of one channel in the file, which may be more than the decoder keeps; of a palette, bits of an index.

    Raises Undecodable.
    """
    if header.plain_mode:
        return PLAIN_BITS
    with broken_is_ours(header.format):
        found = header.form.bit_depth(bytes(data[:DEPTH_BYTES]), header.image)
    return found or (1 if header.image.mode == "1" else 8)
