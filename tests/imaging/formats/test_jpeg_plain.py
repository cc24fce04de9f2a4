"""JPEGs whose facts are known without opening them: the same facts as Pillow finds, and the same errors."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from made.jpegs import seeded
from mutations import mutated
from pictures import encoded, picture
from PIL import Image, ImageCms

from imgsrv import Limits, process
from imgsrv.errors import BadPicture
from imgsrv.imaging.codecs.bit_depth import bit_depth_of
from imgsrv.imaging.codecs.decode import Header, open_header, read_header
from imgsrv.imaging.formats.jpeg import FORMAT

STILL = picture("R").convert("RGB")

PLAIN: dict[str, dict[str, Any]] = {
    "baseline": {},
    "colours of full size": {"subsampling": 0},
    "own tables": {"optimize": True},
    "restarts": {"restart_marker_blocks": 3},
    "a comment": {"comment": b"from a camera"},
    "a resolution": {"dpi": (300, 300)},
}


def exif(orientation: int) -> Image.Exif:
    made = Image.Exif()
    made[0x0112] = orientation
    return made


UNPLAIN = {
    "progressive": encoded(STILL, "JPEG", progressive=True),
    "grey": encoded(STILL.convert("L"), "JPEG"),
    "CMYK": encoded(STILL.convert("CMYK"), "JPEG"),
    "RGB": encoded(STILL, "JPEG", keep_rgb=True),
    "an orientation": encoded(STILL, "JPEG", exif=exif(6)),
    "a profile": encoded(STILL, "JPEG", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()),
    "XMP": encoded(STILL, "JPEG", xmp=b"<x:xmpmeta/>"),
    "several pictures": encoded(STILL, "MPO", save_all=True, append_images=[STILL]),
    "no end": encoded(STILL, "JPEG")[:-2],
    "a video behind it": encoded(STILL, "JPEG") + bytes(100),
    "no scan": encoded(STILL, "JPEG")[:300] + b"\xff\xd9",
    "nothing": b"\xff\xd8\xff\xd9",
}


def facts(header: Header, data: bytes) -> tuple[Any, ...]:
    alpha, bits = header.may_have_alpha, bit_depth_of(header, data)
    return header.form, header.size, header.frames, header.orientation, header.mode, alpha, bits


def opened(data: bytes) -> Header:
    return open_header(FORMAT, io.BytesIO(data), Limits(), None, data)


def error_of(call: Callable[[], object]) -> str | None:
    """The text of the error that a call raises; None for none."""
    try:
        call()
    except BadPicture as error:
        return f"{error.code}: {error}"
    return None


@pytest.mark.parametrize("options", PLAIN.values(), ids=PLAIN)
def test_a_plain_one_has_the_facts_that_pillow_finds(options: dict[str, Any]) -> None:
    data = encoded(STILL, "JPEG", **options)
    assert FORMAT.plain(data) == (STILL.size, "RGB")
    assert facts(read_header(data, Limits()), data) == facts(opened(data), data)
    assert read_header(data, Limits()).image.size == STILL.size


@pytest.mark.parametrize("data", UNPLAIN.values(), ids=UNPLAIN)
def test_any_other_is_opened(data: bytes) -> None:
    assert FORMAT.plain(data) is None


def test_one_page_of_a_plain_one_is_opened() -> None:
    assert read_header(encoded(STILL, "JPEG"), Limits(), 0).plain_mode == ""


def test_what_pillow_refuses_is_refused_with_the_same_error() -> None:
    random, data = seeded("plain"), encoded(STILL, "JPEG", quality=50)
    head, refused = data.index(b"\xff\xda") + 20, 0
    for _ in range(2000):
        changed = mutated(data[3:head], data[3:head], (b"\xff\xe0", b"\xff\xdb", b"\xff\xc0"), random)
        broken = data[:3] + changed + data[head:]
        if FORMAT.plain(broken) is None:
            continue
        refusal = error_of(partial(opened, broken))
        if refusal is None:
            assert facts(read_header(broken, Limits()), broken) == facts(opened(broken), broken)
        else:
            refused += 1
            assert error_of(partial(process, broken, "resize:width=20")) == refusal
    assert refused > 0
