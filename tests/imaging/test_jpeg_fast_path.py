"""The JPEG fast path: as good as the path through RGB, and for the same files."""

from __future__ import annotations

import io
import mmap
import random
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from pictures import corpus, encoded, levels, opened, psnr, run, sample
from PIL import Image, ImageCms
from PIL.JpegImagePlugin import JpegImageFile

from imgsrv.errors import ResultTooLarge, Undecodable
from imgsrv.imaging.analysis.ssim import luma, ssim
from imgsrv.imaging.codecs import turbojpeg
from imgsrv.imaging.codecs.decode import read_header
from imgsrv.imaging.codecs.native import jpeg as native_jpeg
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.colour.display_p3 import make_display_p3
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.pipelines.decode_plan import plan_planes
from imgsrv.imaging.pipelines.pipeline import parse_pipeline
from imgsrv.imaging.pixels.resample import COPIED_PIXELS, resample, resample_pair, resample_plane
from imgsrv.imaging.process import process

pytestmark = pytest.mark.skipif(not turbojpeg.IS_HERE, reason="the extra turbo is not installed")

SUBSAMPLINGS = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}

PLAIN = "resize:width=64"


def photograph(size: tuple[int, int] = (451, 300), mode: str = "RGB", **options: Any) -> bytes:
    return encoded(sample("chelsea.png", mode).resize(size), "JPEG", **{"quality": 92, **options})


def has_way(data: bytes, pipeline: str = PLAIN, limits: Limits | None = None, **output: Any) -> bool:
    limits, asked = limits or Limits(), Output(**output)
    header = read_header(data, limits, asked.index)
    return plan_planes(header, asked, parse_pipeline(pipeline), limits) is not None


def through_rgb(monkeypatch: pytest.MonkeyPatch, data: bytes, pipeline: str) -> Image.Image:
    with monkeypatch.context() as patch:
        without_planes(patch)
        return opened(run(data, pipeline))


def without_planes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(turbojpeg, "IS_HERE", False)
    patch.setattr(native_jpeg, "IS_HERE", False)


@pytest.fixture(params=["native", "turbojpeg"])
def _decoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "turbojpeg":
        monkeypatch.setattr(native_jpeg, "IS_HERE", False)
    elif not native_jpeg.IS_HERE:
        pytest.skip(native_jpeg.WHY_MISSING)


@pytest.mark.parametrize(
    "pipeline",
    [
        "resize:width=60",
        "resize:width=57,height=39,fit=fill",
        "resize:width=170,height=113",
        "resize:width=101,height=101,fit=cover,gravity=east",
        "resize:width=120,height=40,fit=cover,focus_y=0.9",
        "resize:width=399,height=265,fit=fill,kernel=mitchell",
        "resize:width=451",
        "resize:width=9",
        "resize:width=500,enlarge=true",
        "resize:width=200,kernel=nearest",
    ],
)
@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
@pytest.mark.usefixtures("_decoder")
def test_the_picture_is_that_of_the_path_through_rgb(
    pipeline: str, subsampling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = photograph(subsampling=SUBSAMPLINGS[subsampling])
    assert has_way(data, pipeline)
    got, alike = opened(run(data, pipeline)), through_rgb(monkeypatch, data, pipeline)
    assert (got.size, got.mode, got.format) == (alike.size, "RGB", "JPEG")
    # Both are rounded by the quantisation of a JPEG.
    assert psnr(levels(got), levels(alike)) > 36


def test_two_planes_are_resampled_as_each_alone() -> None:
    pair = tuple(np.asarray(sample("chelsea.png").getchannel(name)) for name in "RG")
    box = (3.5, 0.0, 400.25, 299.0)
    got = resample_pair((pair[0], pair[1]), (101, 57), box, "lanczos")
    for plane, each in zip(got, pair, strict=True):
        assert np.array_equal(plane, np.asarray(resample(Image.fromarray(each), (101, 57), box=box)))


@pytest.mark.parametrize("size", [(160, 131), (COPIED_PIXELS // 256, 256), (COPIED_PIXELS // 256 + 1, 256)])
@pytest.mark.parametrize("kernel", ["lanczos", "bicubic", "box", "nearest"])
def test_a_plane_is_resampled_as_a_picture_whether_it_is_copied_or_not(size: tuple[int, int], kernel: Any) -> None:
    plane = np.asarray(sample("chelsea.png").convert("L").resize(size))
    box = (0.0, 0.5, size[0] - 0.25, size[1] - 1.0)
    got = resample_plane(plane, (80, 65), box, kernel)
    assert np.array_equal(got, np.asarray(resample(Image.fromarray(plane), (80, 65), box=box, kernel=kernel)))
    assert np.array_equal(resample_plane(plane, size, (0.0, 0.0, float(size[0]), float(size[1])), kernel), plane)


@pytest.mark.parametrize("rows", [3, 4, 6])
@pytest.mark.parametrize("columns", [2, 5, 6])
def test_a_plane_is_filled_up_by_its_edges(rows: int, columns: int) -> None:
    plane = np.arange(20, dtype=np.uint8).reshape(4, 5)
    spare = max(0, rows - 4), max(0, columns - 5)
    filled = turbojpeg.filled(plane, rows, columns)
    assert np.array_equal(filled, np.pad(plane, ((0, spare[0]), (0, spare[1])), mode="edge"))


@pytest.mark.usefixtures("_decoder")
@pytest.mark.parametrize("name", ["street-6mp", "storm-1920x1280", "wood-2560x1920", "blinds-1920x1200"])
def test_it_is_as_similar_to_the_full_resolution(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data, pipeline = corpus(f"photos/{name}.jpg"), "resize:width=720"
    got, alike = opened(run(data, pipeline)), through_rgb(monkeypatch, data, pipeline)
    wanted = opened(data).resize(got.size, Image.Resampling.LANCZOS)
    assert ssim(luma(got), luma(wanted)) > ssim(luma(alike), luma(wanted)) - 0.0006
    ours, theirs = (psnr(levels(each, "YCbCr"), levels(wanted, "YCbCr")) for each in (got, alike))
    assert ours > theirs - 0.3


def test_colours_stay_in_place_at_odd_sides() -> None:
    # A frame of red around blue, one sample of colour wide.
    image = Image.new("RGB", (404, 404), (200, 0, 0))
    image.paste((0, 0, 200), (16, 16, 388, 388))
    data = encoded(image, "JPEG", quality=95, subsampling=0)
    got = levels(opened(run(data, "resize:width=101,height=101,fit=fill", quality=95)))
    assert np.abs(got - got[::-1]).max() < 60
    assert np.abs(got[50, :2, 0] - 200).max() < 40
    assert np.abs(got[50, -2:, 0] - 200).max() < 40


@pytest.mark.parametrize(
    ("pipeline", "output"),
    [
        pytest.param("", {}, id="no-step"),
        pytest.param("resize:width=64/sharpen", {}, id="another-step"),
        pytest.param("crop:width=5,height=5", {}, id="another-operation"),
        pytest.param("resize:width=64,linear=true", {}, id="light"),
        pytest.param("resize:width=64,kernel=hamming", {}, id="another-kernel"),
        pytest.param("resize:width=64,height=64,fit=cover,gravity=smart", {}, id="what-attracts"),
        pytest.param("resize:width=64,height=64,fit=contain", {}, id="bars"),
        pytest.param(PLAIN, {"format": "png"}, id="another-format"),
        pytest.param(PLAIN, {"format": "auto"}, id="any-format"),
        pytest.param(PLAIN, {"subsampling": "4:4:4"}, id="all-colours"),
        pytest.param(PLAIN, {"progressive": True}, id="progressive"),
        pytest.param(PLAIN, {"metadata": "keep"}, id="metadata"),
        pytest.param(PLAIN, {"icc": "p3"}, id="a-profile"),
        pytest.param(PLAIN, {"target": 0.9}, id="likeness"),
        pytest.param(PLAIN, {"max_bytes": 5000}, id="bytes"),
    ],
)
def test_requests_for_more_than_a_resize_go_through_rgb(pipeline: str, output: dict[str, Any]) -> None:
    assert not has_way(photograph(), pipeline, **output)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(photograph(mode="L"), id="grey"),
        pytest.param(photograph(mode="CMYK"), id="inks"),
        pytest.param(photograph(icc_profile=make_display_p3()), id="other-colours"),
        pytest.param(encoded(sample("chelsea.png").resize((90, 60))), id="png"),
    ],
)
def test_other_files_go_through_rgb(data: bytes) -> None:
    assert not has_way(data)


def test_a_profile_of_srgb_is_allowed() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert has_way(photograph(icc_profile=profile))


def test_a_jpeg_with_rgb_components_is_left_to_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    # Pillow calls both RGB.
    data = photograph(keep_rgb=True)
    assert turbojpeg.decode(data, (451, 300), Fraction(1)) is None
    assert opened(run(data, PLAIN)).tobytes() == through_rgb(monkeypatch, data, PLAIN).tobytes()


def test_a_file_that_is_cut_off_is_refused() -> None:
    data = photograph()
    assert turbojpeg.decode(data[: len(data) // 2], (451, 300), Fraction(1)) is None
    with pytest.raises(Undecodable):
        run(data[: len(data) // 2], PLAIN)


def test_a_size_other_than_the_headers_is_not_decoded() -> None:
    assert turbojpeg.decode(photograph(), (450, 300), Fraction(1)) is None


def test_a_scale_that_the_library_does_not_know_is_not_decoded() -> None:
    assert turbojpeg.decode(photograph(), (451, 300), Fraction(1, 3)) is None


def test_a_result_above_the_limit_is_refused() -> None:
    with pytest.raises(ResultTooLarge):
        run(photograph(), "resize:width=900,enlarge=true", Limits(max_pixels=200_000))


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS.values())
def test_the_buffers_fit_every_size_at_every_scale(subsampling: int) -> None:
    for side in (1, 2, 7, 8, 9, 15, 16, 17, 31, 33):
        data = photograph((side, 50 - side), subsampling=subsampling)
        for scale in turbojpeg.SCALES:
            planes = turbojpeg.decode(data, (side, 50 - side), scale)
            assert planes is not None
            assert planes.luma.shape[1] >= side * scale
        assert opened(run(data, "resize:width=5,height=3,fit=fill,enlarge=true")).size == (5, 3)


@pytest.mark.usefixtures("_decoder")
def test_broken_bytes_give_the_same_result_as_with_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, chance = photograph((120, 80)), random.Random(5)  # noqa: S311  no secret
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(2, len(data))] = chance.randrange(256)
        assert _fate(bytes(data)) == _fate_through_rgb(monkeypatch, bytes(data))


def _fate_through_rgb(monkeypatch: pytest.MonkeyPatch, data: bytes) -> object:
    with monkeypatch.context() as patch:
        without_planes(patch)
        return _fate(data)


def _fate(data: bytes) -> object:
    try:
        return opened(run(data, "resize:width=40", format="jpeg")).size
    except Exception as error:  # noqa: BLE001  whatever it is, it has to be the same
        return type(error)


def test_optimised_tables_make_small_files_smaller() -> None:
    small = {effort: len(run(photograph(), "resize:width=300", effort=effort)) for effort in (0, 9)}
    assert small[9] < small[0]
    assert len(run(photograph(), "resize:width=300")) == small[9]


def test_a_mapping_can_be_closed_after_a_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: object) -> None:
        raise MemoryError

    data = photograph()
    with mmap.mmap(-1, len(data)) as mapping:
        mapping.write(data)
        monkeypatch.setattr(native_jpeg, "IS_HERE", False)
        monkeypatch.setattr(turbojpeg, "_room", no_room)
        with pytest.raises(MemoryError) as raised:
            process(mapping, parse_pipeline(PLAIN), Output(), Limits())
    assert raised.value.__traceback__ is not None


def test_the_format_is_what_pillow_writes() -> None:
    got = JpegImageFile(io.BytesIO(run(photograph(), PLAIN, quality=80)))
    alike = JpegImageFile(io.BytesIO(encoded(sample("chelsea.png").resize(got.size), "JPEG", quality=80)))
    assert got.quantization == alike.quantization
    assert [layer[:3] for layer in got.layer] == [layer[:3] for layer in alike.layer]


def test_only_a_missing_library_has_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    assert turbojpeg.WHY_MISSING == ""
    monkeypatch.setattr(turbojpeg, "WHEEL", "no_such_wheel")
    assert turbojpeg._found() == (None, "no_such_wheel is not installed; the extra `turbo` adds it")
    monkeypatch.setattr(turbojpeg, "WHEEL", "pylibjxl")
    monkeypatch.setattr(turbojpeg, "SIGNATURES", {"tj3NoSuchFunction": ()})
    assert turbojpeg._found()[1].endswith("has no tj3NoSuchFunction")
