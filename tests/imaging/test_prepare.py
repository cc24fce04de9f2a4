"""Importing imgsrv changes nothing in the process, and results do not depend on the settings of a server."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest
from pictures import encoded, opened, run
from PIL import Image, ImageFile

import imgsrv.imaging
from imgsrv.imaging.model.pillow_limit import pillow_limit_lifted

IMAGING = Path(imgsrv.imaging.__file__).parent

IMPORT = """
import json, warnings
import cv2, numpy, pydantic
from PIL import AvifImagePlugin, Image, ImageCms, ImageFile, ImageFont

def state():
    return [
        Image.MAX_IMAGE_PIXELS, ImageFile.MAXBLOCK, AvifImagePlugin.DEFAULT_MAX_THREADS, cv2.getNumThreads(),
        [str(each) for each in warnings.filters], sorted({"HEIF", "JXL", "SVG"} & set(Image.OPEN)),
    ]

before = state()
import imgsrv.imaging.process, imgsrv.imaging.info, imgsrv.imaging.codecs.header_check
print(json.dumps([before, state()]))
"""

LIBRARY = """
import io, warnings
from PIL import Image

warnings.simplefilter("error")
Image.MAX_IMAGE_PIXELS = 100

from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.formats import WRITTEN
from imgsrv.imaging.info import describe_picture
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.pipelines.pipeline import parse_pipeline
from imgsrv.imaging.process import process

drawn = io.BytesIO()
Image.linear_gradient("L").resize((64, 48)).convert("RGB").save(drawn, "PNG")
for name in WRITTEN:
    made = process(drawn.getvalue(), parse_pipeline("crop:width=40,height=30"), Output(format=name), Limits())
    again = process(made, parse_pipeline("crop:width=30,height=20"), Output(format="png"), Limits())
    facts = describe_picture(made, Limits())
    assert (facts["width"], facts["height"]) == (40, 30), name
assert Image.MAX_IMAGE_PIXELS == 100
"""


def script(text: str) -> str:
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_changes_nothing_in_pillow_opencv_and_the_warnings() -> None:
    before, after = json.loads(script(IMPORT))
    assert after == before


def test_a_program_with_a_lower_limit_in_pillow_and_strict_warnings_can_use_every_format() -> None:
    script(LIBRARY)


def test_the_limit_of_pillow_is_lifted_until_the_last_thread_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pillow_limit_lifted():
        with pillow_limit_lifted():
            assert Image.MAX_IMAGE_PIXELS is None
        assert Image.MAX_IMAGE_PIXELS is None
    assert Image.MAX_IMAGE_PIXELS == 100


def test_optimised_jpegs_of_noise_are_written_by_several_threads_at_once() -> None:
    # Noise at the best quality is what Pillow's own buffer is too small for.
    levels = np.random.default_rng(1).integers(0, 2, (2, 300, 300, 3), np.uint8) * 255
    large, small = (encoded(Image.fromarray(each)) for each in (levels[0], levels[1][:40, :40]))
    before, barrier = ImageFile.MAXBLOCK, Barrier(6)

    def write(number: int) -> list[tuple[int, int]]:
        barrier.wait(10)
        asked: dict[str, Any] = {"format": "jpeg", "quality": 100, "subsampling": "4:4:4", "effort": 9}
        return [opened(run(large if (number + turn) % 2 else small, **asked)).size for turn in range(20)]

    with ThreadPoolExecutor(6) as threads:
        sizes = [size for found in threads.map(write, range(6)) for size in found]

    assert sorted(set(sizes)) == [(40, 40), (300, 300)]
    assert before == ImageFile.MAXBLOCK


def test_only_one_module_compares_pictures_with_the_limits() -> None:
    found = []
    for file in sorted(IMAGING.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            reads = isinstance(node, ast.Attribute) and node.attr in ("max_pixels", "max_frames")
            raises = isinstance(node, ast.Call) and ast.unparse(node.func) in ("TooManyPixels", "TooManyFrames")
            if reads or raises:
                found.append(str(file.relative_to(IMAGING)))

    # Decoding reads how many frames to look for, and an estimate how many an unread file may have.
    assert sorted(set(found)) == ["codecs/stored_frames.py", "model/limits.py", "pipelines/facts.py"]
    assert (found.count("codecs/stored_frames.py"), found.count("pipelines/facts.py")) == (3, 1)
