"""Small files of the formats that are only read, for the readers and for other tests of all formats."""

from __future__ import annotations

import struct

from pictures import encoded, picture

PSD_HEAD = struct.pack(">4sH6xHIIHHII", b"8BPS", 1, 1, 20_000, 1, 8, 1, 0, 0)
"""Of a tall document, up to its layers."""

PSD_RESOURCE = b"8BIM\x04\x17\0\0\0\0\0\2\0\1"
PSD_LAYERS = struct.pack(">IhhI", 4, -1, 0, 0) + b"8BIMMtrn" + bytes(4)


def document(version: int, body: bytes) -> bytes:
    """A Photoshop document of 2×1 pixels with transparency."""
    head = struct.pack(">4sH6xHIIHH", b"8BPS", version, 4, 1, 2, 8, 3)
    layers = PSD_LAYERS if version == 1 else bytes(4) + PSD_LAYERS
    section = struct.pack(">I" if version == 1 else ">Q", len(layers)) + layers
    return head + bytes(4) + struct.pack(">I", len(PSD_RESOURCE)) + PSD_RESOURCE + section + body


READ_ONLY = (
    b"P5 2 1 255 ab",
    b"P3\n# a comment\n2 1 900\n1 2 3 900 8 7\n",
    b"P1 3 1 101",
    b"Pf 1 1 -1.0\n\0\0\0\x3f",
    b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 2\nMAXVAL 65535\nTUPLTYPE GRAYSCALE_ALPHA\nENDHDR\nabcd",
    struct.pack("<BBBHHBHHHHBB", 2, 1, 9, 0, 2, 24, 0, 0, 3, 1, 8, 0x20) + b"idabcdef\x82\1",
    struct.pack("<BBBHHBHHHHBB", 0, 0, 10, 0, 0, 0, 0, 0, 3, 1, 32, 0x28) + b"\x82abcd" + bytes(495)
    + struct.pack("<II18s", 23, 0, b"TRUEVISION-XFILE.\0"),
    b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 8\n\2\2\0\x08" + b"\x88\x80" * 4,
    b"#?RGBE\nEXPOSURE=1\n\n-Y 1 +X 2\nabcdefgh",
    encoded(picture("RG/BY"), "QOI"),
    document(1, b"\0\1" + b"\0\3" * 4 + b"\1ab" * 4),
    document(2, b"\0\0" + b"abcdefgh"),
)  # fmt: skip
"""One file for each way of reading them."""
