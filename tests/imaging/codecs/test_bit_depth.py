"""Grey keeps all 16 bits, and becomes 8 bits where one operation or the output cannot hold them."""

from __future__ import annotations

import numpy as np
import pytest
from make import sixteen_bit
from pictures import encoded, opened, run
from PIL import Image

from imgsrv.imaging.info import describe_picture
from imgsrv.imaging.model.limits import Limits
from imgsrv.jobs.archive import ARCHIVES
from imgsrv.jobs.batch import process_batch
from imgsrv.jobs.variants import parse_variants

RAMP = np.arange(65_536, dtype=np.uint16).reshape(256, 256)


def tiff() -> bytes:
    return encoded(Image.fromarray(RAMP), "TIFF")


def pixels(data: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint16]]:
    image = opened(data)
    assert image.mode == "I;16"
    return np.asarray(image)


@pytest.mark.parametrize("after", ["png", "tiff"])
@pytest.mark.parametrize("before", ["png", "tiff"])
def test_every_level_survives_between_formats(before: str, after: str) -> None:
    data = run(sixteen_bit() if before == "png" else tiff(), format=after)
    assert np.array_equal(pixels(data), RAMP)
    assert describe_picture(data, Limits())["bit_depth"] == 16


@pytest.mark.proves("crop", "flip", "flop", "orient")
@pytest.mark.parametrize(
    ("pipeline", "expected"),
    [
        ("flip", RAMP[::-1]),
        ("flop/flip", RAMP[::-1, ::-1]),
        ("orient:value=6", np.rot90(RAMP, -1)),
        ("crop:left=10,top=20,width=30,height=40", RAMP[20:60, 10:40]),
    ],
)
def test_an_operation_that_only_moves_pixels_keeps_16_bits(
    pipeline: str, expected: np.ndarray[tuple[int, ...], np.dtype[np.uint16]]
) -> None:
    assert np.array_equal(pixels(run(sixteen_bit(), pipeline)), expected)


@pytest.mark.parametrize("pipeline", ["clahe", "median:radius=9", "flip/threshold/flip", "denoise/clahe"])
def test_one_operation_on_8_bits_makes_the_whole_pipeline_work_on_8_bits(pipeline: str) -> None:
    assert opened(run(sixteen_bit(), pipeline)).mode == "L"


@pytest.mark.parametrize(
    "pipeline",
    ["resize:width=20,linear=true", "blur:sigma=2", "crop:width=9,height=9,gravity=smart", "flip/invert", "median"],
)
def test_an_operation_that_mixes_or_changes_levels_keeps_16_bits(pipeline: str) -> None:
    assert opened(run(sixteen_bit(), pipeline)).mode == "I;16"


@pytest.mark.parametrize("output", [{"format": "jpeg"}, {"format": "webp"}, {"colours": 16}, {"format": "bmp"}])
def test_an_output_without_16_bits_gets_the_high_bits(output: dict[str, object]) -> None:
    got = np.asarray(opened(run(sixteen_bit(), **output)).convert("L"), np.int64)  # type: ignore[arg-type]
    assert np.abs(got - (RAMP >> 8)).mean() < 12


def test_a_batch_keeps_16_bits_only_if_every_output_can() -> None:
    archive = ARCHIVES["zip"]()
    process_batch(
        archive, sixteen_bit(), parse_variants(b'[{"name": "a"}, {"name": "b", "format": "jpeg"}]', {}), Limits()
    )
    assert archive.finish()
