"""`process` is pure, and any valid request gives a picture of the promised size or an error of ours."""

from __future__ import annotations

import io
import mmap
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pictures import corpus, drawn, encoded, opened, picture, run, sample
from PIL import Image

from imgsrv.errors import ImgsrvError
from imgsrv.imaging.codecs.decode import read_header
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.formats import WRITTEN
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.pipelines.pipeline import parse_pipeline
from imgsrv.imaging.process import process, process_into


def test_process_changes_none_of_its_input() -> None:
    data = bytearray(encoded(sample("chelsea.png")))
    before = bytes(data)
    process(memoryview(data), parse_pipeline("resize:width=50/blur:sigma=2"), Output(), Limits())
    assert bytes(data) == before


@pytest.mark.parametrize("name", WRITTEN)
def test_the_same_request_gives_the_same_bytes(name: str) -> None:
    data = encoded(sample("chelsea.png").resize((60, 40)))
    text = "resize:width=30/rotate:degrees=10/sharpen"
    assert run(data, text, format=name) == run(data, text, format=name)


def test_a_mapping_is_read_without_a_copy() -> None:
    data = encoded(picture("RG/BY"))
    with mmap.mmap(-1, len(data)) as mapping:
        mapping.write(data)
        assert drawn(opened(process(mapping, parse_pipeline("flip"), Output(), Limits()))) == "BY/RG"


def test_the_report_has_format_size_and_times() -> None:
    ticks = iter([1.0, 3.0, 7.0, 15.0])
    data = encoded(picture("RG/BY"))
    report = process_into(
        io.BytesIO(),
        data,
        parse_pipeline("crop:width=1,height=2"),
        Output(format="gif"),
        Limits(),
        clock=lambda: next(ticks),
    )
    assert (report.format, report.size) == ("gif", (1, 2))
    assert (report.decode_s, report.operations_s, report.encode_s) == (2.0, 4.0, 8.0)


STEPS = st.one_of(
    st.sampled_from(["flip", "flop", "grayscale", "sharpen", "unsharp:threshold=0", "median", "median:radius=9"]),
    st.sampled_from(["denoise", "edges", "emboss", "vignette:colour=red", "noise:kind=colour", "clahe", "threshold"]),
    st.sampled_from(["equalize", "pixelate:size=4", "blur:radius=30", "motionblur:length=40,angle=77"]),
    st.sampled_from(["morphology:kind=close,radius=5", "convolve:kernel=1;1;1;1;-9;1;1;1;1,offset=128"]),
    st.builds(
        "resize:width={},height={},fit={},gravity={},enlarge={},kernel={},background={}".format,
        st.integers(1, 40),
        st.integers(1, 40),
        st.sampled_from(["inside", "outside", "cover", "contain", "fill"]),
        st.sampled_from(["center", "north", "southwest"]),
        st.sampled_from(["true", "false"]),
        st.sampled_from(["nearest", "box", "bicubic", "lanczos"]),
        st.sampled_from(["ff0", "transparent", "11223344"]),
    ),
    st.builds("crop:width={},height={}".format, st.integers(1, 30), st.integers(1, 30)),
    st.builds(
        "rotate:degrees={},background={}".format,
        st.sampled_from([-90, 1.5, 45, 90, 180, 270, 359.9]),
        st.sampled_from(["red", "transparent"]),
    ),
    st.builds("blur:sigma={}".format, st.sampled_from([0.3, 2, 9, 100])),
    st.builds("sharpen:amount={},sigma={}".format, st.sampled_from([0, 10]), st.sampled_from([0.3, 100])),
    st.builds(
        "{}:factor={}".format, st.sampled_from(["brightness", "contrast", "saturation"]), st.sampled_from([0, 0.5, 10])
    ),
)

MODES = {"L": (), "RGB": (3,), "RGBA": (4,)}


@st.composite
def small_pictures(draw: st.DrawFn) -> Image.Image:
    mode = draw(st.sampled_from(sorted(MODES)))
    shape = (draw(st.integers(1, 25)), draw(st.integers(1, 25)), *MODES[mode])
    pixels: Any = draw(arrays.arrays(np.uint8, shape, elements=st.integers(0, 255), fill=st.integers(0, 255)))
    return Image.fromarray(pixels)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    image=small_pictures(),
    before=st.sampled_from(sorted(WRITTEN)),
    after=st.sampled_from(sorted(WRITTEN)),
    steps=st.lists(STEPS, max_size=4),
)
def test_any_pipeline_gives_the_promised_size_or_an_error_of_ours(
    image: Image.Image, before: str, after: str, steps: list[str]
) -> None:
    stored = image if WRITTEN[before].has_alpha or image.mode != "RGBA" else image.convert("RGB")
    # Pillow would write the usual sizes of an icon only.
    data = encoded(stored, WRITTEN[before].pillow, **({"sizes": [image.size]} if before == "ico" else {}))
    pipeline = parse_pipeline("/".join(steps))
    try:
        size = image.size
        for step in pipeline.steps:
            size = step.result_size(size)
        got = opened(run(data, str(pipeline), format=after))
    except ImgsrvError:
        return
    assert got.size == size
    assert got.format == WRITTEN[after].pillow


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("16-bit-grey-alpha.png", (109, 96)), ("1bit.png", (691, 212)), ("1x1.png", (1, 1)),
        ("256_color_palette.png", (256, 64)), ("940x2.png", (940, 2)), ("animated-earth.gif", (400, 400)),
        ("cmyk-icc.jpg", (388, 218)), ("cmyk-orientation6.jpg", (533, 800)), ("cmyk-small.jpg", (100, 100)),
        ("flag-16bit.png", (900, 600)), ("gain-map-hdr.jpg", (3840, 2160)), ("grayscale-icc.jpg", (50, 50)),
        ("grey-8bit-alpha.png", (400, 300)), ("image.avif", (300, 400)), ("image.jp2", (300, 400)),
        ("image.webp", (300, 400)), ("multipage-g3.tif", (2464, 3248)), ("p3.png", (8, 8)),
        ("paletted-transparent.png", (300, 225)), ("rgb16-lsb.tif", (100, 100)), ("single_point.jpg", (156, 42)),
    ],
)  # fmt: skip
def test_odd_files_of_the_corpus_are_read_at_their_size(name: str, size: tuple[int, int]) -> None:
    data = corpus(f"odd/{name}")
    assert read_header(data, Limits()).size == size
    assert opened(run(data, "flip", format="png", effort=0)).size == size


@pytest.mark.parametrize(
    "name",
    [
        "1bit.png", "256_color_palette.png", "paletted-transparent.png", "grey-8bit-alpha.png", "image.webp",
        "image.jp2", "single_point.jpg", "cmyk-small.jpg", "image.avif",
    ],
)  # fmt: skip
def test_odd_files_of_the_corpus_have_the_colours_that_pillow_reads(name: str) -> None:
    expected = opened(corpus(f"odd/{name}")).convert("RGBA")
    got = opened(run(corpus(f"odd/{name}"), format="png")).convert("RGBA")
    assert np.abs(np.asarray(got, int) - np.asarray(expected, int)).max() <= 1
