"""Faces, in a portrait of NASA whose face lies at a known place: the eyes, nose and mouth were marked by hand."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from pictures import encoded, levels, result, run, sample
from PIL import Image

from imgsrv.errors import UnusableParameters
from imgsrv.imaging.model.picture import Source
from imgsrv.imaging.pipelines.pipeline import parse_pipeline
from imgsrv.imaging.pixels.faces import Face, faces_in

MIDDLE, EYES_TO_CHIN = (224, 125), 75
"""Between the eyes and the mouth of the astronaut, and pixels from above the eyes to the chin."""

PARTS = "resize:width=200,height=200,fit=cover,gravity=face"


def faces(image: Image.Image) -> list[Face]:
    return faces_in(image, Source.of(image))


def astronaut_at(size: tuple[int, int], *places: tuple[int, int]) -> Image.Image:
    """The astronaut's upper body at places of a plain canvas."""
    canvas = Image.new("RGB", size, (90, 120, 90))
    for place in places:
        canvas.paste(sample("astronaut.jpg").crop((60, 0, 400, 340)), place)
    return canvas


def test_the_face_is_found_where_it_is() -> None:
    (face,) = faces(sample("astronaut.jpg"))
    middle = 512 * (face.left + face.width / 2), 512 * (face.top + face.height / 2)
    assert np.allclose(middle, MIDDLE, atol=12)
    assert EYES_TO_CHIN < 512 * face.height < 1.7 * EYES_TO_CHIN


@pytest.mark.parametrize("name", ["chelsea.png", "coffee.jpg", "hubble_deep_field.jpg", "rocket.jpg"])
def test_a_picture_without_people_has_no_face(name: str) -> None:
    assert faces(sample(name)) == []


@pytest.mark.parametrize("size", [(340, 340), (900, 500), (500, 900), (1300, 1300)])
def test_faces_of_several_sizes_and_shapes_are_found(size: tuple[int, int]) -> None:
    place = size[0] - 340, size[1] - 340
    (face,) = faces(astronaut_at(size, place))
    middle = size[0] * (face.left + face.width / 2), size[1] * (face.top + face.height / 2)
    assert np.allclose(middle, (place[0] + MIDDLE[0] - 60, place[1] + MIDDLE[1]), atol=25)


def test_two_faces_are_two() -> None:
    found = faces(astronaut_at((900, 400), (20, 30), (500, 30)))
    assert len(found) == 2
    assert abs(found[0].left - found[1].left) * 900 == pytest.approx(480, abs=20)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_every_mode_is_looked_at(mode: str) -> None:
    assert len(faces(sample("astronaut.jpg").convert(mode))) == 1


@pytest.mark.parametrize("size", [(1, 1), (1, 600), (600, 1), (3, 2)])
def test_the_smallest_pictures_are_looked_at(size: tuple[int, int]) -> None:
    assert faces(Image.new("RGB", size)) == []


def test_the_part_with_the_face_is_kept() -> None:
    wide = astronaut_at((1200, 340), (40, 0))
    kept = result(wide, "resize:width=340,height=340,fit=cover,gravity=face")
    left = 40 + MIDDLE[0] - 60 - 170
    assert np.abs(levels(kept) - levels(wide.crop((left, 0, left + 340, 340)))).mean() < 25
    assert len(faces(kept)) == 1
    cropped = result(wide, "crop:width=300,height=300,gravity=face")
    assert len(faces(cropped)) == 1


def test_both_faces_are_kept_where_they_fit_and_else_one() -> None:
    both = astronaut_at((1100, 340), (100, 0), (500, 0))
    assert len(faces(result(both, "crop:width=800,height=340,gravity=face"))) == 2
    assert len(faces(result(both, "crop:width=320,height=340,gravity=face"))) == 1


def test_smartcrop_looks_for_faces_where_it_is_told_to() -> None:
    data = encoded(astronaut_at((1200, 340), (40, 0)))
    wanted = run(data, PARTS, format="png")
    assert run(data, "smartcrop:width=200,height=200,faces=true", format="png") == wanted


def test_without_a_face_the_most_salient_part_is_kept() -> None:
    data = encoded(sample("coffee.jpg"))
    assert run(data, PARTS, format="png") == run(data, PARTS.replace("face", "smart"), format="png")
    plain = run(data, "smartcrop:width=200,height=200", format="png")
    assert run(data, "smartcrop:width=200,height=200,faces=true", format="png") == plain


def test_threads_do_not_disturb_one_another() -> None:
    pictures = [astronaut_at((900, 340), (left, 0)) for left in (0, 200, 400, 560)] * 3
    wanted = [faces(one) for one in pictures]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(faces, pictures)) == wanted


def test_a_face_needs_something_to_cut() -> None:
    with pytest.raises(UnusableParameters, match="gravity=smart or face"):
        parse_pipeline("resize:width=30,gravity=face")
