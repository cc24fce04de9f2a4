"""A new format is one file: everything else reads its row, and no other file names a format."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import imgsrv.imaging
from imgsrv.imaging.codecs.sniff import readable_names
from imgsrv.imaging.formats import KNOWN

IMAGING = Path(imgsrv.imaging.__file__).parent

SGI = '''
"""SGI by Pillow."""

from imgsrv.imaging.formats.format import Fitness, Format

FORMAT = Format(
    name="sgi",
    label="SGI",
    pillow="SGI",
    media_type="image/sgi",
    suffixes=(".sgi",),
    signatures=(b"\\x01\\xda",),
    has_metadata=False,
    counts_frames=True,
    fitness=Fitness(drawing=0.7),
)
'''
"""The file of a format that imgsrv does not have: that of Silicon Graphics, which Pillow reads and writes."""

SCRIPT = """
import io, json, sys
from importlib.util import find_spec, module_from_spec

spec = find_spec("imgsrv.imaging.formats")
spec.submodule_search_locations.append(sys.argv[1])
sys.modules[spec.name] = module_from_spec(spec)
spec.loader.exec_module(sys.modules[spec.name])

from PIL import Image
from imgsrv.bulk.targets import target_suffixes
from imgsrv.errors import TooManyPixels
from imgsrv.imaging.codecs.auto_format import choose
from imgsrv.imaging.codecs.decode import DecodePlan, decode, read_header
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.codecs.sniff import readable_names, sniff
from imgsrv.imaging.info import describe_picture
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.pipelines.pipeline import parse_pipeline
from imgsrv.imaging.process import process
from imgsrv.reference.catalogue import catalogue
from imgsrv.reference.markdown import formats_table
from imgsrv.reference.openapi import openapi

drawn = Image.new("RGBA", (8, 6), (200, 100, 50, 128))
drawn.putpixel((2, 1), (0, 0, 255, 255))
file = io.BytesIO()
drawn.save(file, "PNG")
written = process(file.getvalue(), parse_pipeline(""), Output(format="sgi"), Limits())
again = process(written, parse_pipeline("rotate:degrees=180"), Output(format="same"), Limits())
back = process(again, parse_pipeline("rotate:degrees=180"), Output(format="png"), Limits())
try:
    read_header(written, Limits(max_pixels=47))
except TooManyPixels as error:
    refused = [error.width, error.height]
facts = describe_picture(written, Limits(), ("average",))
picture = decode(read_header(written, Limits()), DecodePlan(), Limits())
print(json.dumps({
    "sniffed": [sniff(written), sniff(again)],
    "pixels survive": Image.open(io.BytesIO(back)).tobytes() == drawn.tobytes(),
    "refused": refused,
    "info": {key: facts[key] for key in ("format", "media_type", "width", "height", "frames", "bit_depth", "average")},
    "auto": choose(picture, "jpeg", (("sgi", 1.0), ("jpeg", 1.0)), Output(format="auto"))[0],
    "values of format": Output.model_json_schema()["properties"]["format"]["anyOf"][0]["enum"],
    "readable": readable_names(),
    "table": [line for line in formats_table().splitlines() if "sgi" in line],
    "catalogue": [row for row in catalogue()["formats"] if row["name"] == "sgi"],
    "openapi": "image/sgi" in json.dumps(openapi("0")),
    "suffixes": target_suffixes(),
}))
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The output of a process with this additional format."""
    folder = tmp_path_factory.mktemp("formats")
    (folder / "sgi.py").write_text(SGI)
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_it_is_recognised_by_its_first_bytes(seen: dict[str, Any]) -> None:
    assert seen["sniffed"] == ["sgi", "sgi"]
    assert seen["readable"] == [*readable_names(), "SGI"]


def test_pictures_are_read_and_written_in_it(seen: dict[str, Any]) -> None:
    assert seen["pixels survive"]


def test_a_picture_that_is_too_large_is_refused_from_its_header(seen: dict[str, Any]) -> None:
    assert seen["refused"] == [8, 6]


def test_it_is_described(seen: dict[str, Any]) -> None:
    info = {"format": "sgi", "media_type": "image/sgi", "width": 8, "height": 6, "frames": 1, "bit_depth": 8}
    assert info.items() <= seen["info"].items()
    assert len(seen["info"]["average"]) == 6


def test_format_auto_can_choose_it(seen: dict[str, Any]) -> None:
    assert seen["auto"] == "sgi"


def test_the_parameter_the_tables_and_the_suffixes_list_it_last(seen: dict[str, Any]) -> None:
    written = [name for name, form in KNOWN.items() if form.is_written]
    assert seen["values of format"] == ["auto", "same", *written, "sgi", "blurhash", "thumbhash", "lqip"]
    assert seen["table"] == ["| SGI | `sgi` | `image/sgi` | `.sgi` | – | yes | – | – | yes | imgsrv |"]
    assert [(row["reads"], row["writes"], row["suffixes"]) for row in seen["catalogue"]] == [(True, True, [".sgi"])]
    assert seen["openapi"]
    assert seen["suffixes"].endswith(" and .sgi")


def machinery() -> Iterator[Path]:
    """Every module that works with pictures of any format."""
    for name in ("codecs", "pipelines", "memory", "metadata", "model", "operations", "pixels"):
        yield from sorted((IMAGING / name).rglob("*.py"))
    yield from (IMAGING / "process.py", IMAGING / "info.py", IMAGING / "prepare.py")


NAMES = {*KNOWN, *(form.pillow for form in KNOWN.values())}

NAMED = {
    "codecs/placeholders.py": {"WEBP"},
    "codecs/output.py": {"hdr"},
    "operations/shape/crop.py": {"raw"},
    "memory/huge_pages.py": {"raw"},
    "pixels/resample.py": {"raw"},
}
"""Names that are no question of a picture's format: that of the tiny picture in an LQIP, a parameter, and a codec of
Pillow's."""


@pytest.mark.parametrize("file", [*machinery()], ids=lambda file: str(file.relative_to(IMAGING)))
def test_no_other_module_names_a_format(file: Path) -> None:
    texts = {node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant)}

    assert texts & NAMES == NAMED.get(str(file.relative_to(IMAGING)), set())
