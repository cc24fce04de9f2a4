"""docs/migrating.md: the right side of its tables works, and errors recognise names of the left side."""

from __future__ import annotations

import io
import re
from pathlib import Path

import httpx
import pytest
from PIL import Image

from imgsrv.foreign_words import SYNONYMS
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.settings import SETTINGS, load_configuration
from imgsrv.web.problems import PATHS

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs" / "migrating.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (`.*`) \| `([^`]*)` \|", DOCUMENT, re.MULTILINE)
PHOTO = (ROOT / "samples" / "coffee.jpg").read_bytes()
FLAGS = [right for _left, right in ROWS if right.startswith("--")]
PAGES = ["/healthz"]
CALLS = [right for _left, right in ROWS if right not in (*FLAGS, *PAGES)]


def target_of(right: str) -> str:
    """The path and query of a row: a route, output parameters, or a step."""
    if right.startswith("/"):
        return right
    is_output = right.partition("=")[0] in Output.model_fields
    return f"/pipeline?{right}" if is_output else f"/pipeline?ops={right}"


def test_every_row_is_read() -> None:
    lines = [line for line in DOCUMENT.splitlines() if line.startswith("| `")]
    assert len(ROWS) == len(lines) > 100


@pytest.mark.parametrize("right", sorted(set(CALLS)))
def test_every_request_on_the_right_works(client: httpx.Client, right: str) -> None:
    parts = {"file": PHOTO} | ({"watermark": PHOTO} if "watermark" in right else {})
    answer = client.post(target_of(right), files=parts)
    assert answer.status_code == 200, answer.text
    if answer.headers["content-type"].startswith("image/"):
        with Image.open(io.BytesIO(answer.content)) as picture:
            picture.load()
            wanted = {side: int(size) for side, size in re.findall(r"\b(width|height)=(\d+)", right) if "fit=" in right}
            assert {side: getattr(picture, side) for side in wanted} == wanted


@pytest.mark.parametrize("path", PAGES)
def test_a_page_on_the_right_exists(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("right", sorted(set(FLAGS)))
def test_a_setting_on_the_right_exists(right: str) -> None:
    name, _, value = right.removeprefix("--").replace("-", "_").partition("=")
    assert load_configuration({name: value}).sources[name] == f"flag {right.partition('=')[0]}"


@pytest.mark.parametrize(("theirs", "ours"), SYNONYMS.items())
def test_a_name_of_another_server_leads_to_one_of_ours(theirs: str, ours: str) -> None:
    parameters = {name for row in OPERATIONS.values() for name in row.parameters.model_fields}
    assert ours in {*PATHS, *parameters, *Output.model_fields}
    assert theirs not in {*PATHS, *Output.model_fields}
    assert theirs in DOCUMENT.lower()


@pytest.mark.parametrize(
    ("target", "suggestion"),
    [
        pytest.param("/thumbnail?width=9", "resize", id="a-route"),
        pytest.param("/pipeline?ops=greyscale", "grayscale", id="a-step"),
        pytest.param("/pipeline?ops=rs:fill:300:200", "resize", id="a-step-in-the-way-of-imgproxy"),
        pytest.param("/resize?width=9&type=webp", "format", id="a-parameter"),
    ],
)
def test_the_error_for_a_name_of_another_server_gives_ours(client: httpx.Client, target: str, suggestion: str) -> None:
    assert client.post(target, content=PHOTO).json()["suggestion"] == suggestion


def test_the_settings_have_no_names_of_other_servers() -> None:
    assert set(SYNONYMS).isdisjoint(SETTINGS)
