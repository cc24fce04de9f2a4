"""JPEG 2000 decoded at a smaller scale for a result that is smaller still: the same picture at the same place."""

from __future__ import annotations

import numpy as np
import pytest
from made.jpeg2000 import Plane, codestream, enumerated, jp2, mapped, noise_plane, palette
from pictures import encoded, levels, psnr, result, sample

from imgsrv.imaging.codecs.decode import DecodePlan, decode, read_header
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.formats import jp2 as jp2_format
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.pipelines.decode_plan import plan_result
from imgsrv.imaging.pipelines.pipeline import parse_pipeline

LEAST_DB = 38
"""Against Lanczos from full resolution."""


def scale_for(data: bytes, pipeline: str) -> int:
    return plan_result(read_header(data, Limits()), Output(format="png"), parse_pipeline(pipeline)).scale


@pytest.mark.parametrize("name", ["astronaut.jpg", "hubble_deep_field.jpg"])
@pytest.mark.parametrize("is_lossy", [False, True])
@pytest.mark.parametrize("ratio", [3, 4.7, 8.3, 20])
def test_a_smaller_scale_shows_the_same_picture(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    is_lossy: bool,  # noqa: FBT001
    ratio: float,
) -> None:
    image = sample(name)
    options = {"quality_mode": "dB", "quality_layers": [45]} if is_lossy else {}
    data = encoded(image, "JPEG2000", irreversible=is_lossy, **options)
    pipeline = f"resize:width={round(image.width / ratio)}"
    got = result(data, pipeline)

    monkeypatch.setattr(jp2_format, "SCALABLE", {})

    assert psnr(levels(got), levels(result(data, pipeline))) >= LEAST_DB


def test_scales_are_used_where_enough_is_left_to_the_kernel() -> None:
    image = sample("astronaut.jpg")
    lossy, exact = (encoded(image, "JPEG2000", irreversible=is_lossy) for is_lossy in (True, False))

    assert [scale_for(lossy, f"resize:width={512 // ratio}") for ratio in (2, 3, 6, 12, 40)] == [1, 2, 4, 8, 8]
    assert [scale_for(exact, f"resize:width={512 // ratio}") for ratio in (3, 4, 8, 16, 40)] == [1, 2, 4, 4, 4]
    assert scale_for(lossy, "rotate:degrees=10/resize:width=50") == 1


def test_a_scaled_picture_stands_where_the_whole_one_does() -> None:
    """A slope has the same levels at the same places in every scale."""
    width, height = 641, 403
    slope = np.add.outer(np.linspace(0, 100, height), np.linspace(0, 150, width)).round().astype(int)
    data = codestream([Plane(slope)], (width, height), resolutions=5)

    for scale in (2, 4):
        picture = decode(read_header(data, Limits()), DecodePlan(scale=scale), Limits())
        assert picture.source is not None
        left, top, across, down = picture.source.box
        assert (across, down) == (width / scale, height / scale)
        pixels = np.asarray(picture.frames[0], float)
        # The middle of a sample, as a place in the whole picture.
        x, y = (30 + 0.5 - left) * scale - 0.5, (20 + 0.5 - top) * scale - 0.5
        assert abs(pixels[20, 30] - (x * 150 / (width - 1) + y * 100 / (height - 1))) <= 1


@pytest.mark.parametrize("resolutions", [1, 2, 3])
def test_a_file_is_scaled_no_further_than_it_can_be(resolutions: int) -> None:
    data = codestream([noise_plane((300, 200), seed=seed) for seed in range(3)], (300, 200), resolutions=resolutions)
    assert scale_for(data, "resize:width=10") == 2 ** (resolutions - 1)
    assert result(data, "resize:width=10").size == (10, 7)


def test_palettes_subsampled_and_shifted_pictures_are_decoded_whole() -> None:
    size = (64, 48)
    steps = ((1, 1), (2, 2), (2, 2))
    subsampled = codestream([noise_plane(size, step=step) for step in steps], size, resolutions=3)
    shifted = codestream([noise_plane(size, offset=(3, 3))], size, (3, 3), resolutions=3)
    colours = palette([[0, 255], [1, 2], [3, 4]])
    indexed = codestream([noise_plane(size, 1)], size, resolutions=3)

    assert scale_for(subsampled, "resize:width=4") == 1
    assert scale_for(shifted, "resize:width=4") == 1
    assert (
        scale_for(jp2(indexed, enumerated(16), colours, mapped((0, 1, 0), (0, 1, 1), (0, 1, 2))), "resize:width=4") == 1
    )


@pytest.mark.parametrize("tile", [0, 64])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_scaled_picture_has_the_channels_of_the_whole_one(count: int, tile: int) -> None:
    values = [40, 90, 140, 200][:count]
    planes = [Plane(np.full((131, 203), value)) for value in values]

    got = levels(result(codestream(planes, (203, 131), tile=tile, resolutions=4), "resize:width=20"))

    wanted = {1: values, 2: [40, 40, 40, 90], 3: values, 4: values}[count]
    assert np.abs(got.reshape(13, 20, -1) - wanted).max() <= 1
