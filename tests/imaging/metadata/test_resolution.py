"""Pixels per inch: kept with metadata=keep between all formats, read from the file's own field or from EXIF."""

from __future__ import annotations

from typing import Any

import pytest
from pictures import encoded, opened, picture, run
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from imgsrv.imaging.formats import WRITTEN

BASE = ExifTags.Base
OWN_FIELD = [name for name, form in WRITTEN.items() if form.has_resolution]
IN_EXIF = [name for name, form in WRITTEN.items() if form.has_metadata and not form.has_resolution]
DEFAULTS = {"bmp": (3780 * 0.0254, 3780 * 0.0254)}
"""What Pillow writes into a file without resolution."""

SQUARE = picture("RG/BY")


def resolution(data: bytes, name: str) -> tuple[float, ...] | None:
    """Pixels per inch of a file by Pillow, rounded."""
    image = opened(data)
    if name in OWN_FIELD:
        found = image.info.get("dpi")
        return None if found in (None, DEFAULTS.get(name)) else tuple(round(float(side)) for side in found)
    exif = image.getexif()
    if BASE.XResolution not in exif:
        return None
    assert exif[BASE.ResolutionUnit] == 2
    return tuple(round(float(exif[tag])) for tag in (BASE.XResolution, BASE.YResolution))


@pytest.mark.parametrize("before", ["JPEG", "PNG", "TIFF", "BMP"])
@pytest.mark.parametrize("after", [*OWN_FIELD, *IN_EXIF])
def test_the_resolution_is_kept_on_request(before: str, after: str) -> None:
    data = encoded(SQUARE, before, dpi=(300, 150))
    assert resolution(run(data, "resize:width=1", format=after, metadata="keep"), after) == (300, 150)
    for metadata in ("strip", "copyright"):
        assert resolution(run(data, format=after, metadata=metadata), after) is None


def test_the_resolution_of_exif_counts_where_the_file_has_no_field() -> None:
    exif = Image.Exif()
    exif[BASE.XResolution], exif[BASE.YResolution], exif[BASE.ResolutionUnit] = 118.11, 59.055, 3
    data = encoded(SQUARE, "WEBP", exif=exif.tobytes())
    assert resolution(run(data, format="jpeg", metadata="keep"), "jpeg") == (300, 150)
    kept = opened(run(data, format="webp", metadata="keep")).getexif()
    assert float(kept[BASE.XResolution]) == pytest.approx(118.11)
    assert kept[BASE.ResolutionUnit] == 3


def test_centimetres_of_a_jfif_become_inches() -> None:
    data = encoded(SQUARE, "JPEG", dpi=(100, 50)).replace(b"JFIF\0\1\1\1", b"JFIF\0\1\1\2", 1)
    assert resolution(run(data, format="png", metadata="keep"), "png") == (254, 127)


def test_the_resolution_turns_with_the_picture() -> None:
    exif = Image.Exif()
    exif[BASE.Orientation] = 6
    data = encoded(SQUARE, "JPEG", dpi=(300, 150), exif=exif.tobytes())
    assert resolution(run(data, format="png", metadata="keep"), "png") == (150, 300)


@pytest.mark.parametrize("value", [(0, 0), (float("inf"), 1), (1e9, 1e9), (0.1, 300), (-1, 72)])
def test_an_impossible_resolution_is_dropped(value: tuple[float, float]) -> None:
    exif = Image.Exif()
    exif[BASE.XResolution], exif[BASE.YResolution] = value
    data = encoded(SQUARE, "WEBP", exif=_bytes(exif))
    assert resolution(run(data, format="png", metadata="keep"), "png") is None


def _bytes(exif: Image.Exif) -> bytes:
    for tag in (BASE.XResolution, BASE.YResolution):
        side: Any = exif[tag]
        exif[tag] = IFDRational(1, 0) if side == float("inf") else IFDRational(max(0, round(side * 10)), 10)
    return exif.tobytes()


def test_the_shape_of_a_pixel_alone_is_no_resolution() -> None:
    data = encoded(SQUARE, "JPEG").replace(b"JFIF\0\1\1\0\0\1\0\1", b"JFIF\0\1\1\0\0\2\0\1", 1)
    assert resolution(run(data, format="png", metadata="keep"), "png") is None


def test_no_resolution_is_made_up_for_a_jpeg_whose_exif_has_none() -> None:
    exif = Image.Exif()
    exif[BASE.Artist] = "Ada"
    data = encoded(SQUARE, "JPEG", exif=exif.tobytes())
    assert opened(data).info["dpi"] == (72, 72)
    assert resolution(run(data, format="png", metadata="keep"), "png") is None
