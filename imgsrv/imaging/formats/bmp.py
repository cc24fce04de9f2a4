"""BMP by Pillow."""

from __future__ import annotations

from imgsrv.imaging.formats.format import Format

FORMAT = Format(
    name="bmp",
    label="BMP",
    pillow="BMP",
    media_type="image/bmp",
    suffixes=(".bmp",),
    position=7,
    signatures=(b"BM",),
    has_alpha=False,
    has_metadata=False,
    decode_bytes_per_pixel=6,
    encode_bytes_per_pixel=12,
)
