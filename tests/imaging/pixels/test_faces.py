"""Faces, in a portrait of NASA whose face lies at a known place: the eyes, nose and mouth were marked by hand.

They are kept in the middle of what is cut out, and covered where they must not be seen.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import animation, encoded, levels, opened, result, run, sample
from PIL import Image, ImageSequence

from imgsrv.errors import NoFaceFound, UnusableParameters
from imgsrv.imaging.model.picture import Source
from imgsrv.imaging.pipelines.pipeline import parse_pipeline
from imgsrv.imaging.pixels.faces import Face, faces_in
from imgsrv.imaging.pixels.faces.boxes import face_boxes, merged
from imgsrv.imaging.pixels.placement import position_of_part

MIDDLE, EYES_TO_CHIN = (224, 125), 75
"""Between the eyes and the mouth of the astronaut, and pixels from above the eyes to the chin."""

FEATURES = {"left eye": (205, 110), "right eye": (246, 108), "nose": (228, 129), "mouth": (228, 151)}
"""Places in the face of the astronaut, in pixels of her picture; marked by hand."""

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


# ---- redacted ------------------------------------------------------------------------------------------


def covered(before: Image.Image, after: Image.Image) -> NDArray[np.bool_]:
    """(height, width): the pixels that are black now, and were not all."""
    is_black, was_black = ((levels(picture, "RGB") == 0).all(axis=2) for picture in (after, before))
    found: NDArray[np.bool_] = is_black & ~was_black
    return found


def is_covered(after: Image.Image, *place: float) -> bool:
    """What is within 3 pixels of a place is black."""
    across, down = round(place[0]), round(place[1])
    around = levels(after, "RGB")[down - 3 : down + 4, across - 3 : across + 4]
    return bool((around == 0).all())


def test_the_whole_face_is_covered_and_little_else() -> None:
    before = sample("astronaut.jpg")
    after = result(before, "redact:faces=true")
    assert [name for name, place in FEATURES.items() if not is_covered(after, *place)] == []
    assert covered(before, after).mean() < 0.12


@pytest.mark.parametrize("mode", ["fill", "blur", "pixelate"])
@pytest.mark.parametrize("frame_mode", ["L", "RGB", "RGBA"])
def test_in_every_mode_no_face_is_left(mode: str, frame_mode: str) -> None:
    after = result(sample("astronaut.jpg").convert(frame_mode), f"redact:faces=true,mode={mode}")
    assert faces(after) == []


def test_a_margin_makes_the_box_larger() -> None:
    before = sample("astronaut.jpg")
    tight, usual, wide = (
        covered(before, result(before, f"redact:faces=true{more}")).sum() for more in (",margin=0", "", ",margin=1")
    )
    # The sides are 1, 1.6 and 3 times those of the face; her hair is black in places.
    assert usual / tight == pytest.approx(1.6**2, rel=0.2)
    assert wide > 2 * usual


def test_every_face_of_a_group_is_covered() -> None:
    places = [(0, 0), (400, 40), (800, 0)]
    before = astronaut_at((1200, 400), *places)
    after = result(before, "redact:faces=true")
    for left, top in places:
        assert is_covered(after, left + MIDDLE[0] - 60, top + MIDDLE[1])
    assert faces(after) == []


@pytest.mark.parametrize("place", [(40, 60), (900, 500), (1600, 1000)])
def test_a_face_too_small_for_one_look_is_covered(place: tuple[int, int]) -> None:
    small = sample("astronaut.jpg").resize((384, 384))
    before = Image.new("RGB", (2000, 1400), (90, 120, 90))
    before.paste(small, place)
    assert faces(before) == []
    after = result(before, "redact:faces=true")
    assert is_covered(after, place[0] + 0.75 * MIDDLE[0], place[1] + 0.75 * MIDDLE[1])


def test_boxes_and_faces_are_both_covered() -> None:
    before = sample("astronaut.jpg")
    after = result(before, "redact:faces=true,boxes=400;400;20;20")
    assert is_covered(after, *MIDDLE)
    assert is_covered(after, 410, 410)


@pytest.mark.parametrize("form", ["GIF", "WEBP"])
def test_a_face_is_covered_in_every_frame_wherever_it_is_found_in_one(form: str) -> None:
    places = [(0, 0), (30, 10), (160, 60)]
    frames = [astronaut_at((500, 400), place) for place in places]
    frames.insert(1, Image.new("RGB", (500, 400), "white"))
    made = opened(run(animation(frames, form, duration=50), "redact:faces=true,colour=ff0000", format="png"))
    shown = [levels(frame, "RGB") for frame in ImageSequence.Iterator(made)]
    assert len(shown) == 4
    for picture in shown:
        for left, top in places:
            assert picture[top + MIDDLE[1], left + MIDDLE[0] - 60].tolist() == [255, 0, 0]


def test_without_a_face_the_picture_stays_as_it_is() -> None:
    before = sample("coffee.jpg")
    assert result(before, "redact:faces=true").tobytes() == before.tobytes()


def test_a_face_that_is_required_and_not_found_is_an_error() -> None:
    with pytest.raises(NoFaceFound, match="redact has found no face, and required=true wants one"):
        run(encoded(sample("coffee.jpg")), "redact:faces=true,required=true")
    run(encoded(sample("astronaut.jpg")), "redact:faces=true,required=true")


@pytest.mark.parametrize(
    ("ops", "reason"),
    [
        ("redact", "boxes or faces=true is needed"),
        ("redact:mode=blur,faces=false", "boxes or faces=true is needed"),
        ("redact:boxes=1;2;3;4,required=true", "faces=true looks for one"),
    ],
)
def test_something_has_to_be_covered(ops: str, reason: str) -> None:
    with pytest.raises(UnusableParameters, match=reason):
        parse_pipeline(ops)


def test_boxes_of_faces_lie_in_the_frame() -> None:
    frame = sample("astronaut.jpg").crop((190, 60, 260, 170)).resize((640, 1000))
    for left, top, width, height in face_boxes([frame, frame.rotate(180)], 1.0):
        assert 0 <= left < left + width <= 640
        assert 0 <= top < top + height <= 1000


def test_boxes_that_overlap_become_one() -> None:
    assert merged([(0, 0, 10, 10), (1, 1, 10, 10), (50, 50, 5, 5), (52, 52, 1, 1)]) == [(0, 0, 11, 11), (50, 50, 5, 5)]
    assert merged([]) == []


def test_a_crop_whose_edges_are_given_does_not_look_at_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Any] = []

    def watched(*given: Any, gravity: Any, **more: Any) -> Any:
        looked.append(gravity)
        return position_of_part(*given, gravity=gravity, **more)

    monkeypatch.setattr("imgsrv.imaging.operations.shape.crop.position_of_part", watched)
    data = encoded(astronaut_at((600, 340), (40, 0)))
    plain = run(data, "crop:width=99,height=99,left=5,top=7")
    assert run(data, "crop:width=99,height=99,left=5,top=7,gravity=face") == plain
    run(data, "crop:width=99,height=99,left=5,gravity=face")
    assert looked == ["center", "center", "face"]
