"""What does it cost to take a picture from a file of the server, or from an nginx beside it, compared with a POST?"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from far.origins import nginx
from pace import Pace
from PIL import Image
from report import Report
from servers.nginx import PROGRAM
from serving import serving

from imgsrv.loadtest.closed_loop import Crowd, crowd, in_turn
from imgsrv.loadtest.conversation import Request, fetched, posted

CORES = len(os.sched_getaffinity(0))

ROUNDS, SECONDS, CONNECTIONS = 7, 4.0, 6

WIDTHS = range(700, 716)
"""Different for each request of a turn, so that no two at one time are equal and computed once."""

LEAST = {"file": 1.05, "http": 0.9}


@pytest.fixture(scope="module", params=["6 MP of 0.8 MB", "0.2 MP of 20 KB"])
def photo(request: pytest.FixtureRequest, street: bytes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the picture, for every user to read."""
    folder = tmp_path_factory.mktemp("pictures")
    file = folder / "photo.jpg"
    file.write_bytes(street)
    if request.param.endswith("KB"):
        with Image.open(file) as image:
            image.resize((520, 424)).save(file, quality=72)
    yield file
    shutil.rmtree(folder)


@pytest.mark.parametrize("kind", LEAST)
def test_sources(photo: Path, report: Report, pace: Pace, kind: str, tmp_path: Path) -> None:
    if kind == "http" and not PROGRAM:
        pytest.skip("nginx is not installed")
    body, ratios = photo.read_bytes(), list[float]()
    with nginx(tmp_path, photo.parent) as url:
        flags = [f"--source-dir={photo.parent}", f"--source-http={url}", "--source-private-addresses=127.0.0.1"]
        source = quote(f"{url}/photo.jpg" if kind == "http" else "file:photo.jpg", safe="")
        sent = [posted(f"/resize?width={width}&enlarge=true", body) for width in WIDTHS]
        named = [fetched(f"/resize?width={width}&enlarge=true&source={source}") for width in WIDTHS]
        flags = [f"--workers={CORES}", "--no-access-log", *flags]
        with (
            serving(*flags) as server,
            crowd(server.port, CONNECTIONS) as many,
        ):
            for _ in range(pace.rounds(ROUNDS)):
                seconds = pace.seconds(SECONDS)
                first, second = _rate(many, sent, seconds), _rate(many, named, seconds)
                # In the other order too, because what else the machine does changes meanwhile.
                ratios.append((second + _rate(many, named, seconds)) / (first + _rate(many, sent, seconds)))
    question = f"{len(body) / 1000:.0f} kB JPEG → 700 wide, source={kind}: against POST"
    report.judge_least(question, ratios, "×", at_least=LEAST[kind])


def _rate(many: Crowd, requests: list[Request], seconds: float) -> float:
    return many.load(in_turn(requests), seconds, least=len(WIDTHS)).checked().rate
