"""What is kept of texts: within its bounds, the same as made anew, and for threads at once."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from imgsrv.imaging.lettering import layers, strokes, typeface
from imgsrv.imaging.lettering.fonts import BUILT_IN, chain_of
from imgsrv.imaging.lettering.layers import Look, Written, text_layer
from imgsrv.imaging.memory.kept import ENTRY_BYTES, LARGEST_SHARE, forget_all
from imgsrv.imaging.model.parameter_types import BLACK, WHITE, Colour
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.imaging.pipelines.pipeline import make_step

SHADE = Colour(0, 0, 0, 128)
PLAIN = Look(WHITE, 0, BLACK, 0, SHADE)
FULL = Look(Colour(255, 200, 0, 90), 3, BLACK, 5, SHADE)


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    forget_all()
    yield
    forget_all()


def written(text: str, size: int = 20, widest: float = 500, align: str = "center") -> Written:
    return Written(tuple(chain_of(BUILT_IN)), size, text, widest, align)


def pixels(text: str, look: Look = FULL, size: int = 20, most: tuple[int, int] = (500, 300)) -> bytes:
    return text_layer(written(text, size), look, most).tobytes()


def test_a_second_picture_gets_the_same_layer() -> None:
    first, second = (text_layer(written("Fresh coffee"), FULL, (500, height)) for height in (300, 400))
    assert second is first


@pytest.mark.parametrize(
    "other",
    [
        pytest.param((written("Fresh tea, hot"), FULL, (500, 300)), id="text"),
        pytest.param((written("Fresh\ncoffee", 21), FULL, (500, 300)), id="size"),
        pytest.param((written("Fresh\ncoffee", 20, 40), FULL, (500, 300)), id="wrap"),
        pytest.param((written("Fresh\ncoffee", align="left"), FULL, (500, 300)), id="align"),
        pytest.param((written("Fresh\ncoffee"), FULL._replace(outline=2), (500, 300)), id="outline"),
        pytest.param((written("Fresh\ncoffee"), FULL._replace(shadow=4), (500, 300)), id="shadow"),
        pytest.param((written("Fresh\ncoffee"), FULL._replace(colour=WHITE), (500, 300)), id="colour"),
        pytest.param((written("Fresh\ncoffee"), FULL._replace(shadow_colour=BLACK), (500, 300)), id="shadow-colour"),
        pytest.param((written("Fresh\ncoffee"), FULL, (30, 300)), id="picture"),
    ],
)
def test_a_layer_is_as_one_that_is_made_anew(other: tuple[Written, Look, tuple[int, int]]) -> None:
    text_layer(written("Fresh\ncoffee"), FULL, (500, 300))
    after = text_layer(*other)
    forget_all()
    assert text_layer(*other).tobytes() == after.tobytes()
    assert after.tobytes() != pixels("Fresh\ncoffee")


def test_a_kept_layer_is_not_changed_by_the_pictures_that_it_lies_on() -> None:
    step = make_step("text", [("text", "Fresh coffee"), ("outline", "2"), ("shadow", "3")])
    black = Image.new("RGB", (300, 100))
    results = [np.asarray(next(iter(OPERATIONS["text"].apply((black,), step.arguments, None, None)))) for _ in range(3)]
    assert all(np.array_equal(one, results[0]) for one in results)
    assert not np.asarray(black).any()


def test_texts_of_strangers_fill_no_more_than_the_bounds() -> None:
    bounds = ((layers._LAYERS, 4 << 20), (layers._BLOCKS, 1 << 20), (strokes._KEPT, 2 << 20))
    for number in range(150):
        pixels(f"{number} different words of the text {number}", size=20 + number)
        for kept, most in bounds:
            assert kept.most_bytes == most
            assert kept.bytes <= most
    assert all(kept.bytes > most / 4 for kept, most in bounds)


def test_a_text_of_a_large_picture_is_not_kept() -> None:
    layer = text_layer(written("WIDE", 900, 1e6), PLAIN, (2000, 1000))
    assert layer.width * layer.height * 4 * LARGEST_SHARE > layers.KEPT_LAYERS_BYTES
    assert len(layers._LAYERS) == 0


def test_a_shaped_text_takes_no_more_than_is_counted_for_it() -> None:
    text = written("Æ various lettérs & Ωords " * 20)
    layers._block(text)
    tracemalloc.start()
    before, _peak = tracemalloc.get_traced_memory()
    block = layers._block(text)
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert taken <= layers._block_bytes(text, block) + ENTRY_BYTES


def test_the_sizes_in_which_fonts_are_kept_are_bounded() -> None:
    face = chain_of(BUILT_IN)[0]
    assert face.at(30) is face.at(30)
    for size in range(4, 4 + 2 * typeface.KEPT_FONTS):
        face.at(size)
    assert typeface._font.cache_info().currsize <= typeface.KEPT_FONTS


def test_threads_that_write_at_once_get_the_same_pixels_as_one() -> None:
    texts = [f"Text {number % 6} of threads" for number in range(60)]
    alone = {text: pixels(text) for text in texts}
    forget_all()
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(pixels, texts))
    assert together == [alone[text] for text in texts]
