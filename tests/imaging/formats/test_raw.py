"""Camera raw: LibRaw develops it in a process of its own, upright and with the camera's white balance."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from made.raw import Light, dng
from pictures import levels, opened, run

from imgsrv.errors import TooManyPixels, Undecodable, UnsupportedFormat
from imgsrv.imaging.codecs import sniff as sniffing
from imgsrv.imaging.codecs.sniff import sniff
from imgsrv.imaging.formats import FORMATS
from imgsrv.imaging.formats.tiff_parts import file as tiff_file
from imgsrv.imaging.info import describe_picture
from imgsrv.imaging.model.limits import Limits

pytest.importorskip("rawpy", reason="the extra raw is not installed", exc_type=ImportError)

GREY, WHITE = 8_000, 40_000

PREVIEW = np.full((48, 64, 3), 200, np.uint8)


def scene(width: int = 64, height: int = 48) -> Light:
    """Grey at the left, five times as bright at the right, and red in the corner at the top left."""
    light = np.full((height, width, 3), GREY, np.uint16)
    light[:, width // 2 :] = WHITE
    light[: height // 3, : width // 4] = WHITE, GREY // 4, GREY // 4
    return light


def level(light: float) -> float:
    """The level of sRGB of light of 0 to 1."""
    return 255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055)


def test_light_becomes_levels_of_srgb() -> None:
    """LibRaw makes the brightest hundredth white; so the ratio of the light is what can be known."""
    found = levels(opened(run(dng(scene()), format="png")))

    assert found.shape == (48, 64, 3)
    assert np.abs(found[30:40, 45:60] - 255).max() < 1
    assert np.abs(found[30:40, 5:25] - level(GREY / WHITE)).max() < 2
    red = found[5:10, 4:10].reshape(-1, 3).mean(0)
    assert red[0] > 250
    assert np.abs(red[1:] - level(GREY / 4 / WHITE)).max() < 3


def test_the_white_balance_is_that_of_the_camera() -> None:
    found = levels(opened(run(dng(scene(), neutral=(0.5, 1, 0.7)), format="png")))

    assert np.abs(found[30:40, 5:25] - level(GREY / WHITE)).max() < 3


@pytest.mark.parametrize(("orientation", "corner"), [(1, (4, 4)), (3, (59, 43)), (6, (43, 4)), (8, (4, 59))])
@pytest.mark.parametrize("form", ["png", "jpeg"])
def test_it_is_turned_upright_once(orientation: int, corner: tuple[int, int], form: str) -> None:
    data = dng(scene(), orientation)
    image = opened(run(data, format=form, quality=95)).convert("RGB")
    size = (64, 48) if orientation in (1, 3) else (48, 64)

    told = describe_picture(data, Limits())
    assert (told["width"], told["height"]) == image.size == size
    red, green, blue = image.getpixel(corner)  # type: ignore[misc]  # of RGB
    assert red > 240
    assert max(green, blue) < 100


def test_16_bits_are_kept() -> None:
    ramp = np.repeat(np.linspace(1000, 60_000, 64).astype(np.uint16)[None, :, None], 48, 0).repeat(3, 2)

    image = opened(run(dng(ramp), "crop:width=60,height=40", format="tiff"))

    assert describe_picture(run(dng(ramp), format="tiff"), Limits())["bit_depth"] == 16
    assert image.size == (60, 40)


# ---- the preview --------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_small_result_is_made_from_the_preview(orientation: int) -> None:
    preview = PREVIEW.copy()
    preview[:16, :16] = 255, 0, 0
    upright = opened(run(dng(scene(), orientation), format="png")).size
    size = upright[0] // 2, upright[1] // 2

    image = opened(run(dng(scene(), orientation, preview), f"resize:width={size[0]}", format="png", colours=256))

    found = levels(image.convert("RGB"))
    assert image.size == size
    assert np.abs(np.median(found, (0, 1)) - 200).max() < 3
    corner = {1: (2, 2), 3: (-3, -3), 6: (2, -3), 8: (-3, 2)}[orientation]
    assert found[corner][0] > 230
    assert found[corner][1] < 60


@pytest.mark.parametrize(
    ("pipeline", "output", "preview"),
    [
        pytest.param("", {"format": "jpeg"}, PREVIEW, id="full size"),
        pytest.param("resize:width=32", {"format": "png"}, PREVIEW, id="16 bits"),
        pytest.param("resize:width=60", {"format": "jpeg"}, PREVIEW, id="nearly full size"),
        pytest.param("resize:width=32", {"format": "jpeg"}, PREVIEW[:12, :16], id="a smaller preview"),
        pytest.param("resize:width=32", {"format": "jpeg"}, PREVIEW[:32], id="a preview of another part"),
        pytest.param("resize:width=32", {"format": "jpeg"}, None, id="no preview"),
    ],
)
def test_any_other_result_is_developed(pipeline: str, output: dict[str, Any], preview: np.ndarray | None) -> None:
    found = levels(opened(run(dng(scene(), preview=preview), pipeline, **output)).convert("RGB"))

    height, width = found.shape[:2]
    assert found[height * 3 // 4, width * 3 // 4].min() > 250
    assert np.abs(found[height * 3 // 4, width // 4] - level(GREY / WHITE)).max() < 6


@pytest.mark.parametrize("width", [32, 16, 8, 5])
def test_a_smaller_scale_shows_the_same(width: int) -> None:
    large = levels(
        opened(run(dng(scene(640, 480)), format="png", colours=256)).convert("RGB").resize((width, width * 3 // 4))
    )
    small = levels(opened(run(dng(scene(640, 480)), f"resize:width={width}", format="png", colours=256)).convert("RGB"))

    assert small.shape[1] == width
    assert np.abs(np.median(small, (0, 1)) - np.median(large, (0, 1))).max() < 6


# ---- recognition --------------------------------------------------------------------------------------


@pytest.mark.parametrize("preview", [None, PREVIEW])
def test_a_file_that_is_a_tiff_is_known_as_camera_raw(preview: np.ndarray | None) -> None:
    told = describe_picture(dng(scene(), preview=preview), Limits())

    assert (told["format"], told["bit_depth"]) == ("raw", 16)


@pytest.mark.parametrize(
    "head",
    [
        b"FUJIFILMCCD-RAW 0201",
        b"IIRO\x08\0\0\0",
        b"IIRS\x08\0\0\0",
        b"IIU\0\x18\0\0\0",
        b"FOVb",
        b"\0MRM",
        struct.pack(">I", 24) + b"ftypcrx " + bytes(12),
        b"II\x1a\0\0\0HEAPCCDR",
    ],
)
def test_other_files_are_known_by_their_first_bytes(head: bytes) -> None:
    assert sniff(head) == "raw"
    with pytest.raises(Undecodable, match=r"camera|cut off|broken"):
        run(head + bytes(200), format="jpeg")


def test_an_error_without_advice_ends_with_its_reason() -> None:
    with pytest.raises(Undecodable) as caught:
        run(b"FOVb" + bytes(200), format="jpeg")

    assert str(caught.value).endswith(caught.value.reason)


def test_without_the_extra_its_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff_file, "find_spec", lambda _name: None)

    monkeypatch.setattr(sniffing, "FORMATS", {name: form for name, form in FORMATS.items() if name != "raw"})

    with pytest.raises(UnsupportedFormat, match="Camera raw, which the extra `raw` adds"):
        sniff(b"FUJIFILMCCD-RAW 0201")
    with pytest.raises(Undecodable, match="a camera raw file, which the extra `raw` adds"):
        run(dng(scene()), format="jpeg")


# ---- limits and metadata ------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.97, 0.5, 0.2])
def test_a_file_that_is_cut_off_is_refused(share: float) -> None:
    data = dng(scene())

    with pytest.raises(Undecodable, match=r"cut off|no raw file"):
        run(data[: int(len(data) * share)], format="jpeg")


def test_a_sensor_whose_last_rows_are_missing_is_refused() -> None:
    light = scene()
    light[-4:] = 0

    with pytest.raises(Undecodable, match="the last rows of its sensor are missing"):
        run(dng(light), format="jpeg")


def test_the_limit_holds_before_it_is_developed() -> None:
    with pytest.raises(TooManyPixels):
        run(dng(scene()), format="jpeg", limits=Limits(max_pixels=64 * 48 - 1))


def test_what_the_camera_says_is_kept_where_it_is_asked_for() -> None:
    data = dng(scene(), 6)

    exif = opened(run(data, format="jpeg", metadata="keep")).getexif()

    assert (exif[271], exif[272], exif[33_432]) == ("Tests", "Camera", "somebody")
    assert 274 not in exif
    assert len(opened(run(data, format="jpeg")).getexif()) == 0
