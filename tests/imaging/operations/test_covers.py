"""Boxes made unreadable, gradients and look-up tables."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import encoded, opened, picture, result, sample
from PIL import Image

from imgsrv.errors import BadLookUpTable, InvalidParameter, OperationDoesNotFit
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.operations.colour import lut
from imgsrv.imaging.pipelines.pipeline import parse_pipeline
from imgsrv.imaging.pixels.composite import composite
from imgsrv.imaging.process import process

COFFEE = sample("coffee.jpg")
BOX = (slice(60, 160), slice(100, 300))
"""Rows and columns of the box 100;60;200;100."""


def pixels(frame: Image.Image) -> NDArray[np.float64]:
    return np.asarray(frame, np.float64)


# ---- redact ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["fill", "blur", "pixelate"])
@pytest.mark.parametrize("frame_mode", ["L", "RGB", "RGBA"])
def test_only_the_box_is_changed(mode: str, frame_mode: str) -> None:
    before = COFFEE.convert(frame_mode)
    after = result(before, f"redact:boxes=100;60;200;100,mode={mode}").convert(frame_mode)
    changed = (pixels(before) != pixels(after)).reshape(*before.size[::-1], -1).any(axis=2)
    assert changed[BOX].mean() > 0.9
    changed[BOX] = False
    assert not changed.any()


def test_a_filled_box_has_one_colour() -> None:
    after = pixels(result(COFFEE, "redact:boxes=100;60;200;100,colour=ff8800"))
    assert (after[BOX] == (255, 136, 0)).all()


def test_a_letter_in_a_blurred_box_cannot_be_read() -> None:
    white = Image.new("RGB", (400, 200), "white")
    eight, zero = (
        pixels(
            result(white, f"text:text={digit},size=60,colour=black,gravity=center/redact:boxes=170;60;60;80,mode=blur")
        )
        for digit in "80"
    )
    assert np.abs(eight - zero).max() < 60


def test_a_pixelated_box_has_six_cells_along_its_shorter_side() -> None:
    after = pixels(result(COFFEE, "redact:boxes=100;60;200;100,mode=pixelate"))[BOX]
    steps = (np.diff(after, axis=0) != 0).any(axis=(1, 2)).sum(), (np.diff(after, axis=1) != 0).any(axis=(0, 2)).sum()
    assert steps == (5, 11)


def test_several_boxes_and_boxes_of_one_pixel_at_the_edge() -> None:
    after = pixels(result(Image.new("RGB", (20, 10), "white"), "redact:boxes=0;0;1;1;19;9;1;1;5;5;2;2"))
    assert np.argwhere(after[..., 0] == 0).tolist() == [[0, 0], [5, 5], [5, 6], [6, 5], [6, 6], [9, 19]]


@pytest.mark.parametrize("boxes", ["", "1", "1;2;3", "1;2;3;4;5", "a;b;c;d", "0;0;0;5", "-1;0;5;5", "0;0;1;1;" * 101])
def test_invalid_boxes_are_refused(boxes: str) -> None:
    with pytest.raises(InvalidParameter):
        parse_pipeline(f"redact:boxes={boxes}")


def test_a_box_outside_of_the_picture_is_refused_with_the_sizes() -> None:
    with pytest.raises(OperationDoesNotFit, match="5×5 at left=18, top=0 does not lie inside the picture of 20×10"):
        result(Image.new("RGB", (20, 10)), "redact:boxes=18;0;5;5")


# ---- gradient ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("angle", "first", "last"),
    [
        pytest.param(0, (0, 50), (99, 50), id="top-to-bottom"),
        pytest.param(180, (99, 50), (0, 50), id="bottom-to-top"),
        pytest.param(90, (50, 99), (50, 0), id="right-to-left"),
        pytest.param(-90, (50, 0), (50, 99), id="left-to-right"),
        pytest.param(45, (0, 99), (99, 0), id="from-the-upper-right-corner"),
    ],
)
def test_a_gradient_runs_from_edge_to_edge(angle: int, first: tuple[int, int], last: tuple[int, int]) -> None:
    after = pixels(result(Image.new("L", (100, 100)), f"gradient:start=ff0000,end=0000ff,angle={angle}"))
    assert np.abs(after[first] - (255, 0, 0)).max() <= 2
    assert np.abs(after[last] - (0, 0, 255)).max() <= 2
    assert np.abs(after[50, 50] - (127, 0, 127)).max() <= 2


def test_a_gradient_from_transparent_shows_no_hidden_colour() -> None:
    after = pixels(result(Image.new("RGB", (1, 100), "white"), "gradient:start=transparent,end=ffffff"))
    assert after.min() >= 254


def test_a_gradient_is_its_formula_composited() -> None:
    below = COFFEE.resize((64, 48))
    after = pixels(result(below, "gradient:start=00000000,end=000000ff"))
    share = (np.arange(48) + 0.5) / 48
    assert np.abs(after - pixels(below) * (1 - share[:, None, None])).max() <= 1.5
    assert composite(below, Image.new("RGBA", below.size)).tobytes() == below.tobytes()


# ---- look-up tables ------------------------------------------------------------------------------------------


def cube(side: int, function: str = "r g b", header: str = "") -> bytes:
    """A look-up table with three expressions of r, g and b as its colours."""
    b, g, r = np.meshgrid(*[np.arange(side) / (side - 1)] * 3, indexing="ij")
    columns = [eval(one, {"r": r, "g": g, "b": b}).ravel() for one in function.split()]  # noqa: S307  each is in this file
    rows = "%.6f %.6f %.6f\n" * side**3 % tuple(np.stack(columns, axis=1).ravel())
    return f'TITLE "test"\n# comment\n{header}LUT_3D_SIZE {side}\n\n{rows}'.encode()


def graded(frame: Image.Image, table: bytes, arguments: str = "") -> Image.Image:
    pipeline = parse_pipeline(f"lut:{arguments}" if arguments else "lut")
    return opened(process(encoded(frame), pipeline, Output(format="png"), Limits(), {"lut": table}))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_the_identity_changes_nothing(mode: str) -> None:
    frame = COFFEE.resize((90, 60)).convert(mode)
    assert graded(frame, cube(17)).convert(mode).tobytes() == frame.tobytes()


@pytest.mark.slow
@pytest.mark.proves("lut")
@pytest.mark.parametrize(("side", "most"), [(2, 1), (33, 1), (65, 1)])
def test_a_linear_table_is_exact_between_its_steps(side: int, most: int) -> None:
    frame = COFFEE.resize((90, 60))
    expected = pixels(frame) @ np.array([[0, 0.5, 0], [0, 0, -1], [1, 0.5, 0]]) + (0, 0, 255)
    assert np.abs(pixels(graded(frame, cube(side, "b (r+b)*0.5 1-g"))) - expected).max() <= most


def test_half_the_strength_is_half_the_change() -> None:
    frame = COFFEE.resize((90, 60))
    after = graded(frame, cube(17, "1-r 1-g 1-b"), "strength=0.5")
    assert np.abs(pixels(after) - 127.5).max() <= 1


def test_alpha_is_kept() -> None:
    frame = picture("R").convert("RGBA").resize((4, 4))
    frame.putalpha(77)
    assert set(graded(frame, cube(2, "1-r 1-g 1-b")).getchannel("A").tobytes()) == {77}


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        pytest.param(b"", "LUT_3D_SIZE is missing", id="empty"),
        pytest.param(b"LUT_3D_SIZE 2\n1 1 1\n", "8 colours and 1 follow", id="too-few"),
        pytest.param(b"LUT_3D_SIZE 1\n1 1 1\n", "from 2 to 65", id="too-small"),
        pytest.param(b"LUT_3D_SIZE 66\n", "from 2 to 65", id="too-large"),
        pytest.param(b"LUT_3D_SIZE 999999999999\n", "from 2 to 65", id="far-too-large"),
        pytest.param(b"LUT_3D_SIZE two\n", "LUT_3D_SIZE is two", id="a-word"),
        pytest.param(b"LUT_3D_SIZE " + b"9" * 1000 + b"\n", "LUT_3D_SIZE is 9{40} and must", id="a-thousand-digits"),
        pytest.param(b"LUT_3D_SIZE " + b"9" * 5000 + b"\n", "more than 1024 characters", id="five-thousand-digits"),
        pytest.param(b"\n" * 600_000, "600000 lines", id="many-lines"),
        pytest.param(b"LUT_3D_SIZE 2\n" + b"0 0 0 0\n" * 8, "line 2", id="four-numbers"),
        pytest.param(b"LUT_3D_SIZE 2\n" + b"0 0 0\n" * 7 + b"0 0 1.0.0\n", "line 9", id="the-last-line"),
        pytest.param(b"LUT_1D_SIZE 2\n0 0 0\n1 1 1\n", "1D", id="one-dimension"),
        pytest.param(cube(2, header="DOMAIN_MAX 4 4 4\n"), "DOMAIN_MAX is 4 4 4", id="another-domain"),
        pytest.param(b"LUT_3D_SIZE 2\n0 0 zero\n", "line 2", id="no-number"),
        pytest.param(b"LUT_3D_SIZE 2\n" + b"nan nan nan\n" * 8, "finite", id="not-finite"),
        pytest.param(bytes(range(256)), "line", id="bytes"),
        pytest.param(b"0" * (16 << 20) + b"0", "bytes", id="very-long"),
    ],
)
def test_an_invalid_table_is_refused_with_the_reason(table: bytes, reason: str) -> None:
    with pytest.raises(BadLookUpTable, match=reason):
        graded(picture("R"), table)


@pytest.mark.parametrize(
    "colour",
    [
        pytest.param(b"1_0 0 0\n", id="an-underscore"),
        pytest.param(b"  0 0 0\n\n# grey\n", id="indented-with-comments"),
        pytest.param(b"0 0 0\r\n", id="lines-of-windows"),
    ],
)
def test_colours_may_have_any_form_of_number_that_python_reads(colour: bytes) -> None:
    graded(picture("R"), b"LUT_3D_SIZE 2\n" + colour * 8)


def test_a_repeated_table_is_not_parsed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first = graded(COFFEE.resize((9, 6)), cube(9, "g b r"))
    monkeypatch.setattr(lut, "_parse", None)
    assert graded(COFFEE.resize((9, 6)), cube(9, "g b r")).tobytes() == first.tobytes()


def test_only_the_last_tables_are_kept() -> None:
    for number in range(lut.MOST_KEPT + 3):
        graded(picture("R"), cube(2, header=f"# {number}\n"))
    assert len(lut._kept) == lut.MOST_KEPT


def test_threads_can_read_tables_at_once() -> None:
    tables = [cube(2, header=f"# {number % 7}\n") for number in range(200)]
    with ThreadPoolExecutor(4) as threads:
        read = list(threads.map(lambda table: lut._read_cube(table, Limits()), tables))
    assert all(np.array_equal(one.values, read[0].values) for one in read)


def test_a_table_may_give_the_domain_from_0_to_1() -> None:
    graded(picture("R"), cube(2, header="DOMAIN_MIN 0.0 0.0 0.0\nDOMAIN_MAX 1.0 1.0 1.0\n"))
