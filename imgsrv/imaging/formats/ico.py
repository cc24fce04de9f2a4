"""Windows icons by Pillow, one picture in each."""

from __future__ import annotations

from typing import BinaryIO

from imgsrv.imaging.formats.format import Format, Options
from imgsrv.imaging.model.picture import Frame


def _save(form: Format, frame: Frame, file: BinaryIO, options: Options) -> None:
    # Without sizes Pillow would write the usual smaller ones as well.
    frame.save(file, form.pillow, **{**options, "sizes": [frame.size]})


FORMAT = Format(
    name="ico",
    label="Windows icon",
    pillow="ICO",
    media_type="image/x-icon",
    suffixes=(".ico",),
    position=9,
    signatures=(b"\x00\x00\x01\x00",),
    has_metadata=False,
    max_side=256,
    save=_save,
    decode_bytes_per_pixel=12,
    encode_bytes_per_pixel=12,
)
