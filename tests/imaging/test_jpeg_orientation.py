"""JPEGs that lie on their side or are mirrored stay on the fast path, and come out as through RGB."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from pictures import encoded, levels, opened, psnr, run, sample
from PIL import Image

from imgsrv.imaging.codecs import turbojpeg
from imgsrv.imaging.codecs.decode import read_header
from imgsrv.imaging.codecs.native import jpeg as native_jpeg
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.jpeg_fast_path import PlanesPlan
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.pipelines.decode_plan import plan_planes
from imgsrv.imaging.pipelines.pipeline import parse_pipeline
from imgsrv.imaging.pixels.orientation import SIDEWAYS, upright
from imgsrv.imaging.pixels.resample import Plane

SUBSAMPLINGS = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}

ORIENTATIONS = range(1, 9)

pytestmark = pytest.mark.skipif(
    not (turbojpeg.IS_HERE or native_jpeg.IS_HERE), reason="no decoder of planes is installed"
)


def lying(image: Image.Image, orientation: int, subsampling: str = "4:2:0") -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(image, "JPEG", quality=95, subsampling=SUBSAMPLINGS[subsampling], exif=exif)


def plan_for(data: bytes, pipeline: str) -> PlanesPlan | None:
    header = read_header(data, Limits())
    return plan_planes(header, Output(), parse_pipeline(pipeline), Limits())


def planes_of(data: bytes, pipeline: str) -> list[Plane]:
    plan = plan_for(data, pipeline)
    assert plan is not None
    planes, _way = plan.decode(data)
    assert planes is not None
    result = plan.resample(planes)
    return [result.luma, *result.colours]


def through_rgb(monkeypatch: pytest.MonkeyPatch, data: bytes, pipeline: str) -> Image.Image:
    with monkeypatch.context() as patch:
        patch.setattr(turbojpeg, "IS_HERE", False)
        patch.setattr(native_jpeg, "IS_HERE", False)
        assert plan_for(data, pipeline) is None
        return opened(run(data, pipeline, quality=95))


@pytest.mark.parametrize(
    "pipeline",
    [
        pytest.param("resize:width=100", id="even"),
        pytest.param("resize:width=57,height=39,fit=fill", id="odd"),
        pytest.param("resize:width=61,height=87,fit=cover,focus_x=0.8", id="a-part"),
        pytest.param("resize:width=250,height=201,fit=cover,gravity=south", id="full-scale"),
    ],
)
@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_picture_is_that_of_the_path_through_rgb(
    orientation: int, subsampling: str, pipeline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = lying(sample("chelsea.png", "RGB").resize((451, 300)), orientation, subsampling)
    plan = plan_for(data, pipeline)
    assert plan is not None
    assert plan.decode(data)[0] is not None
    got, alike = opened(run(data, pipeline, quality=95)), through_rgb(monkeypatch, data, pipeline)
    assert got.size == alike.size
    assert psnr(levels(got), levels(alike)) > 36


@pytest.mark.parametrize("size", [(451, 300), (448, 304), (333, 201)])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_turned_picture_is_the_picture_turned(orientation: int, size: tuple[int, int]) -> None:
    image, across = sample("chelsea.png", "RGB").resize(size), (64, 96) if orientation in SIDEWAYS else (96, 64)
    pipeline = "resize:width={},height={},fit=fill"
    flat = planes_of(lying(image, 1), pipeline.format(96, 64))
    for got, before in zip(planes_of(lying(image, orientation), pipeline.format(*across)), flat, strict=True):
        assert np.array_equal(got, np.asarray(upright(Image.fromarray(before), orientation)))


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_colours_stay_in_place_at_odd_sides(orientation: int) -> None:
    # A frame of red around blue, one sample of colour wide: every edge has its own half-covered sample.
    image = Image.new("RGB", (404, 404), (200, 0, 0))
    image.paste((0, 0, 200), (16, 16, 388, 388))
    data = lying(image, orientation, "4:4:4")
    assert plan_for(data, "resize:width=101,height=101,fit=fill") is not None
    got = levels(opened(run(data, "resize:width=101,height=101,fit=fill", quality=95)))
    for edge in (got[:2, 2:-2], got[-2:, 2:-2], got[2:-2, :2], got[2:-2, -2:]):
        assert np.abs(edge[..., 0] - 200).max() < 45
        assert edge[..., 2].max() < 60


@pytest.mark.parametrize("orientation", [0, 9])
def test_an_unknown_orientation_changes_nothing(orientation: int) -> None:
    image = sample("chelsea.png", "RGB").resize((300, 200))
    flat = run(lying(image, 1), "resize:width=99")
    assert plan_for(lying(image, orientation), "resize:width=99") is not None
    assert run(lying(image, orientation), "resize:width=99") == flat


def test_the_scale_is_that_of_the_upright_picture() -> None:
    data = lying(sample("chelsea.png", "RGB").resize((400, 200)), 6)
    plan = plan_for(data, "resize:width=100")
    assert plan is not None
    assert (plan.before, plan.after, plan.scale) == ((200, 400), (100, 200), Fraction(1, 2))
