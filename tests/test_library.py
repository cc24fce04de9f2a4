"""The library does what docs/library.md says, changes nothing when it is imported, and may be used from threads."""

from __future__ import annotations

import io
import json
import mmap
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import imgsrv
from imgsrv import Limits, Output, PictureFacts, Pipeline, describe, errors, process

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)

NAMES = ("process", "describe", "PictureFacts", "Pipeline", "Output", "Limits", "errors")


def photo(size: tuple[int, int] = (640, 480), form: str = "JPEG", colour: str = "orange") -> bytes:
    drawn = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").point(list(range(256)) * 3).save(drawn, form)
    picture = Image.blend(Image.open(drawn).convert("RGB"), Image.new("RGB", size, colour), 0.3)
    drawn = io.BytesIO()
    picture.save(drawn, form)
    return drawn.getvalue()


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(ROOT / "samples" / "astronaut.jpg", tmp_path / "photo.jpg")
    (tmp_path / "logo.png").write_bytes(photo((64, 64), "PNG"))
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}

    for block in BLOCKS:
        exec(compile(block, "docs/library.md", "exec"), names)  # noqa: S102  the page is ours

    assert len(BLOCKS) >= 6
    with Image.open(tmp_path / "small.jpg") as picture:
        assert picture.width == 300


@pytest.mark.parametrize("name", NAMES)
def test_the_page_lists_every_name_of_the_library(name: str) -> None:
    assert f"| `{name}` |" in PAGE
    assert name in imgsrv.__all__
    assert name in dir(imgsrv)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'proces'"):
        _ = imgsrv.proces  # type: ignore[attr-defined]  # the point of the test


def test_a_plain_import_loads_nothing_else() -> None:
    loaded = json.loads(python("import sys, json, imgsrv; print(json.dumps(sorted(sys.modules)))"))

    assert {"numpy", "cv2", "PIL", "pydantic", "imgsrv.errors"}.isdisjoint(loaded)


def test_a_submodule_never_takes_the_place_of_a_function() -> None:
    printed = python(
        "import imgsrv.cli.main, imgsrv.reference.markdown, imgsrv.imaging.process\n"
        "from imgsrv import describe, process\n"
        "print(callable(describe), callable(process))"
    )

    assert printed.split() == ["True", "True"]


STATE = """
import logging, signal, sys, threading, warnings
from PIL import AvifImagePlugin, Image
def state():
    return (
        list(warnings.filters), Image.MAX_IMAGE_PIXELS, AvifImagePlugin.DEFAULT_MAX_THREADS,
        dict(Image.OPEN), dict(Image.SAVE), dict(Image.EXTENSION),
        {number: signal.getsignal(number) for number in signal.valid_signals()},
        list(logging.root.handlers), logging.root.level, sorted(map(repr, logging.root.manager.loggerDict)),
        threading.enumerate(), sys.excepthook, threading.excepthook,
    )
"""


def test_importing_the_library_changes_nothing_global() -> None:
    """OpenCV, numpy and Pillow with its own plug-ins are loaded first: what they change is theirs."""
    printed = python(
        f"import cv2, numpy, pydantic{STATE}Image.init()\nimport PIL.ImageCms, PIL.ImageFont\nbefore = state()\n"
        "from imgsrv import process, describe, Pipeline, Output, Limits, errors\n"
        "after = state()\nprint([index for index, pair in enumerate(zip(before, after)) if pair[0] != pair[1]])"
    )

    assert printed.strip() == "[]"


def test_a_call_leaves_the_limit_of_pillow_as_it_was() -> None:
    before = Image.MAX_IMAGE_PIXELS

    process(photo(), "resize:width=10")

    assert before == Image.MAX_IMAGE_PIXELS


def test_a_result_keeps_the_format_of_the_input() -> None:
    assert describe(process(photo(form="PNG")))["format"] == "png"


def test_a_text_and_its_pipeline_give_the_same_bytes() -> None:
    text = "resize:width=300/sharpen"

    assert process(photo(), text) == process(photo(), Pipeline.parse(text))


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "TIFF"])
def test_every_kind_of_buffer_gives_the_same_bytes(kind: type, form: str) -> None:
    data = photo(form=form)

    assert process(kind(data), "resize:width=100") == process(data, "resize:width=100")
    assert describe(kind(data)) == describe(data)


def test_a_mapped_file_gives_the_same_bytes(tmp_path: Path) -> None:
    file = tmp_path / "photo.jpg"
    file.write_bytes(photo())

    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert process(mapped, "resize:width=100") == process(photo(), "resize:width=100")


def test_a_buffer_may_grow_again_after_a_call() -> None:
    data = bytearray(photo())

    process(data, "resize:width=100")
    data.append(0)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"quality": 300}, errors.InvalidParameter),
        ({"quality": "best"}, errors.InvalidParameter),
        ({"qualty": 30}, errors.UnknownParameter),
        ({"format": "bpm"}, errors.InvalidParameter),
    ],
)
def test_an_output_that_is_not_allowed_is_an_error_of_ours(
    values: dict[str, object], error: type[errors.ImgsrvError]
) -> None:
    with pytest.raises(error) as caught:
        Output(**values)

    assert caught.value.facts["parameter"] == next(iter(values))


def test_a_parameter_that_the_format_does_not_use_is_refused() -> None:
    with pytest.raises(errors.UnusableParameters, match="has no use for quality"):
        process(photo(), output=Output(format="png", quality=50))


def test_format_auto_is_refused() -> None:
    with pytest.raises(errors.UnusableParameters, match="Accept header"):
        process(photo(), output=Output(format="auto"))


def test_limits_refuse_a_large_picture() -> None:
    with pytest.raises(errors.TooManyPixels) as caught:
        process(photo((100, 100)), limits=Limits(max_pixels=9999))

    assert caught.value.code == "too_many_pixels"


def test_a_missing_or_unused_part_is_refused() -> None:
    with pytest.raises(errors.MissingPart):
        process(photo(), "watermark:part=logo")
    with pytest.raises(errors.UnusedPart):
        process(photo(), "grayscale", parts={"logo": photo()})


def test_describe_measures_what_is_named() -> None:
    facts = describe(photo(), include=["sharpness", "average"])

    assert facts["sharpness"] > 0
    assert facts["average"] is not None
    assert facts["average"].startswith("#") or len(facts["average"]) == 6
    with pytest.raises(errors.InvalidParameter):
        describe(photo(), include=["sharpnes"])


def test_the_type_of_a_description_has_exactly_its_keys() -> None:
    assert sorted(PictureFacts.__required_keys__) == sorted(describe(photo()))
    assert sorted(PictureFacts.__annotations__) == sorted(describe(photo(), include=["all", "gps", "broken"]))


def test_the_type_of_a_description_loads_no_codec() -> None:
    loaded = json.loads(
        python("import sys, json\nfrom imgsrv import PictureFacts\nprint(json.dumps(sorted(sys.modules)))")
    )

    assert {"numpy", "cv2", "PIL", "pydantic"}.isdisjoint(loaded)


WORK = [
    (photo((900, 600), form, colour), pipeline, Output(**output))
    for form, colour in (("JPEG", "orange"), ("PNG", "navy"), ("WEBP", "teal"), ("TIFF", "red"), ("GIF", "green"))
    for pipeline, output in (
        ("resize:width=300", {}),
        ("resize:width=200,linear=true/blur:sigma=2", {"format": "webp"}),
        ("rotate:degrees=30/sharpen", {"format": "jpeg", "progressive": True, "effort": 5}),
        ("resize:width=64,height=64,fit=cover,gravity=smart", {"format": "avif"}),
        ("grayscale/text:text=hello", {"format": "png", "colours": 16}),
    )
]


def test_six_threads_give_the_same_bytes_as_one() -> None:
    alone = [process(*work) for work in WORK]

    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda work: process(*work), WORK * 2))

    assert together == alone * 2


@pytest.mark.parametrize("data", ["photo.jpg", Path("photo.jpg"), 5, None])
def test_data_that_is_no_bytes_is_refused_with_what_to_give(data: Any) -> None:
    with pytest.raises(errors.BadRequest, match=r"give the bytes of a file, as Path\(name\).read_bytes\(\) reads them"):
        process(data, "flip")
    with pytest.raises(errors.BadRequest, match="give the bytes of a file"):
        describe(data)


@pytest.mark.parametrize("value", [-1, float("nan"), "1GiB", True, None])
def test_a_limit_that_is_negative_or_no_number_is_refused(value: Any) -> None:
    with pytest.raises(errors.BadRequest, match=r"max_pixels is .*; give a number of at least 0"):
        Limits(max_pixels=value)


def test_the_names_of_include_may_stand_in_one_text() -> None:
    assert describe(photo(), "average,palette").keys() == describe(photo(), ("average", "palette")).keys()
