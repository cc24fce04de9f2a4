"""broken=accept: the part that is there of a broken picture, in each format, and the picture says that it is broken."""

from __future__ import annotations

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import tifffile
from pictures import animation, encoded, levels, opened, picture, result, run, sample
from PIL import Image, ImageFile

from imgsrv import Output, describe, process
from imgsrv.errors import BadOutputs, JobTooDear, Undecodable
from imgsrv.imaging.codecs.what_is_there import HINT, as_far_as_it_goes
from imgsrv.imaging.formats import FORMATS
from imgsrv.imaging.model.broken import is_lenient
from imgsrv.imaging.model.limits import Data, Limits
from imgsrv.imaging.pipelines.pipeline import Pipeline
from imgsrv.imaging.process import process_into
from imgsrv.jobs.archive import Zip
from imgsrv.jobs.batch import process_batch
from imgsrv.jobs.variants import parse_variants

PHOTO = sample("coffee.jpg").resize((150, 100))

FILES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "jpeg": ("JPEG", "RGB", {"quality": 95}),
    "png": ("PNG", "RGB", {}),
    "png with a palette": ("PNG", "P", {}),
    "gif": ("GIF", "P", {"interlace": 0}),
    "webp": ("WEBP", "RGB", {"quality": 95}),
    "webp without loss": ("WEBP", "RGB", {"lossless": True}),
    "webp with alpha": ("WEBP", "RGBA", {"lossless": True}),
    "tiff": ("TIFF", "RGB", {}),
    "bmp": ("BMP", "RGB", {}),
}
"""Format, mode and options of a file."""


def whole(name: str) -> bytes:
    form, mode, options = FILES[name]
    return encoded(PHOTO.convert(mode), form, **options)


def rows_alike(one: Image.Image, other: Image.Image) -> int:
    """The number of rows that are equal, but for rounding, from the top; of a BMP from below."""
    differences = np.abs(levels(one, "RGBA") - levels(other, "RGBA")).max(axis=(1, 2)) > 1
    return max(int(rows.argmax()) if rows.any() else one.height for rows in (differences, differences[::-1]))


@pytest.mark.parametrize("part", [0.5, 0.9])
@pytest.mark.parametrize("name", FILES)
def test_the_part_that_is_there_is_the_top_of_the_whole_picture(name: str, part: float) -> None:
    data = whole(name)
    cut = data[: int(len(data) * part)]
    with pytest.raises(Undecodable):
        run(cut, format="png")

    found, expected = result(cut, broken="accept"), result(data)

    assert found.size == expected.size
    assert part * 100 - 30 < rows_alike(found, expected) < 100


@pytest.mark.parametrize("name", ["jpeg", "png", "gif", "tiff", "bmp"])
def test_more_of_the_file_shows_more_rows(name: str) -> None:
    data = whole(name)
    parts = [data[: len(data) * tenths // 10] for tenths in (5, 7, 9)]
    shown = [rows_alike(result(cut, broken="accept"), result(data)) for cut in parts]
    assert shown == sorted(set(shown))


LAYOUTS: list[dict[str, Any]] = [{"rowsperstrip": 10}, {"tile": (16, 16)}, {"rowsperstrip": 10, "predictor": True}]


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "packbits", "zstd", "lzma"])
@pytest.mark.parametrize(
    "layout", [{"rowsperstrip": 10}, {"tile": (16, 16)}, {"rowsperstrip": 10, "predictor": True}], ids=str
)
def test_the_strips_and_tiles_of_a_tiff_that_are_there_are_shown(
    depth: type, compression: str | None, layout: dict[str, Any]
) -> None:
    if "predictor" in layout and compression in (None, "packbits"):
        pytest.skip("there is no predictor without a codec of bytes")
    pixels: Any = np.asarray(PHOTO).astype(depth) * (257 if depth is np.uint16 else 1)
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, photometric="rgb", compression=compression, **layout)
    data = file.getvalue()
    with pytest.raises(Undecodable):
        run(data[: len(data) * 7 // 10])

    found = result(data[: len(data) * 7 // 10], broken="accept")
    # Of 16 bits the same levels are kept.
    assert 46 <= rows_alike(found.convert("RGB"), PHOTO) < 100


def test_a_progressive_jpeg_is_whole_and_blurred_before_its_last_scans() -> None:
    data = encoded(PHOTO, "JPEG", quality=95, progressive=True)
    found = result(data[: len(data) * 6 // 10], broken="accept")
    assert 1 < np.abs(levels(found) - levels(PHOTO)).mean() < 20


@pytest.mark.parametrize("name", FILES)
def test_a_whole_picture_is_the_same_with_accept_and_is_not_called_broken(name: str) -> None:
    data = whole(name)
    assert run(data, "resize:width=40", format="png") == run(data, "resize:width=40", format="png", broken="accept")
    assert describe(data, "broken")["broken"] is False
    assert not _report(data).is_broken


@pytest.mark.parametrize("name", FILES)
def test_a_broken_picture_is_called_broken(name: str) -> None:
    data = whole(name)
    cut = data[: len(data) * 8 // 10]
    assert _report(cut).is_broken
    facts = describe(cut, ("broken", "average"))
    assert facts["broken"] is True
    assert facts["average"]


def _report(data: bytes) -> Any:
    return process_into(io.BytesIO(), data, Pipeline(), Output(format="png", broken="accept"), Limits())


def test_what_no_picture_is_left_of_is_refused_with_the_first_reason() -> None:
    for data in (whole("png")[:20], whole("jpeg")[:200], whole("webp")[:40], b"BM" + bytes(60)):
        with pytest.raises(Undecodable) as strict:
            run(data)
        with pytest.raises(Undecodable) as accepting:
            run(data, broken="accept")
        assert str(accepting.value) == str(strict.value).removesuffix(f"; {HINT}")


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP"])
def test_the_frames_that_are_there_are_played(form: str) -> None:
    frames = [sample("coffee.jpg").resize((90, 60)).rotate(turn) for turn in (0, 40, 80, 120)]
    options = {"lossless": True} if form == "WEBP" else {}
    data = animation(frames, form, duration=100, **options)
    found = opened(run(data[: len(data) * 6 // 10], format="webp", lossless=True, broken="accept"))
    assert getattr(found, "n_frames", 1) in (2, 3)
    assert np.abs(levels(found, "RGB") - levels(opened(data), "RGB")).max() <= 1


def test_a_batch_of_a_broken_picture_says_so() -> None:
    variants = parse_variants(b'[{"name": "a", "ops": "resize:width=20"}, {"name": "b"}]', {"broken": "accept"})
    data = whole("jpeg")
    assert process_batch(Zip(), data[: len(data) // 2], variants, Limits()).is_broken
    assert not process_batch(Zip(), data, variants, Limits()).is_broken


@pytest.mark.parametrize("name", ["jpeg", "png", "tiff", "gif"])
def test_the_refusal_of_a_cut_picture_says_how_to_have_the_part_that_is_there(name: str) -> None:
    data = whole(name)
    with pytest.raises(Undecodable, match="broken=accept uses the part that is there"):
        run(data[: len(data) // 2])


def test_the_outputs_of_a_batch_accept_the_same() -> None:
    with pytest.raises(BadOutputs, match="differ in broken"):
        parse_variants(b'[{"name": "a", "broken": "accept"}, {"name": "b"}]', {})


def test_pillows_flag_is_what_it_was() -> None:
    data = whole("png")
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False
    run(data[: len(data) // 2], broken="accept")
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


def test_another_thread_refuses_the_same_file_meanwhile() -> None:
    data = whole("png")
    cut = data[: len(data) // 2]
    inside, refused = threading.Event(), threading.Event()

    def read(found: Data) -> bool:
        if not is_lenient():
            raise Undecodable("png", "as if it were cut")
        inside.set()
        assert refused.wait(20)
        with Image.open(io.BytesIO(found)) as image:
            image.load()
        return True

    def strict() -> None:
        assert inside.wait(20)
        try:
            with pytest.raises(Undecodable):
                run(cut)
            with pytest.raises(OSError, match="truncated"), Image.open(io.BytesIO(cut)) as image:
                image.load()
        finally:
            refused.set()

    with ThreadPoolExecutor(2) as pool:
        lenient = pool.submit(lambda: as_far_as_it_goes(cut, "accept", read))
        pool.submit(strict).result(30)
        assert lenient.result(30) == (True, True)


def test_the_cost_of_accept_counts_a_second_decoding() -> None:
    limits = Limits(max_job_cost_s=0.030)
    data = encoded(Image.new("RGB", (1200, 1000)), "PNG")
    run(data, "resize:width=9", limits)
    with pytest.raises(JobTooDear):
        run(data, "resize:width=9", limits, broken="accept")


def test_a_part_of_the_request_is_read_strictly() -> None:
    logo = encoded(picture("RG/BY").resize((64, 64)))
    data = whole("jpeg")
    with pytest.raises(Undecodable):
        process(data, "watermark", Output(broken="accept"), parts={"watermark": logo[: len(logo) // 2]})


@pytest.mark.parametrize("name", [name for name in ("avif", "heic", "jxl") if name in FORMATS])
def test_formats_that_cannot_be_read_in_part_refuse(name: str) -> None:
    data = run(encoded(PHOTO), format=name)
    with pytest.raises(Undecodable):
        run(data[: len(data) // 2], format="png", broken="accept")
