"""Compares the predicted time of jobs with the true one: `python tests/prediction.py`.

It prints a table: the dearest jobs that a small request can ask for, at a size at which they end, and usual jobs on the
photographs of the corpus.  A dear job must not be predicted at less than half of its time.  pytest does not collect it.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from imgsrv.imaging.codecs.decode import read_header
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.model.limits import NO_PARTS, Limits
from imgsrv.imaging.pipelines.cost import estimate
from imgsrv.imaging.pipelines.facts import facts_of
from imgsrv.imaging.pipelines.pipeline import parse_pipeline
from imgsrv.imaging.prepare import prepare_process
from imgsrv.imaging.process import process

CORPUS = Path(__file__).parents[1] / "../shared/corpus/photos"

Job = tuple[str, bytes, str, dict[str, object]]
"""The name, picture, pipeline and output of a job."""

DEAR_S = 1.0

LEAST_SHARE = 0.5

USUAL: tuple[tuple[str, dict[str, object]], ...] = (
    ("resize:width=800", {"format": "webp"}),
    ("resize:width=800", {}),
    ("", {"format": "avif"}),
    ("denoise/sharpen", {"format": "jpeg"}),
    ("", {"format": "gif"}),
    ("", {"format": "png"}),
    ("resize:width=600", {"format": "webp", "target": 0.95}),
)


def noise(side: int, channels: int = 3) -> bytes:
    """A PNG of noise."""
    file = io.BytesIO()
    levels = np.random.default_rng(1).integers(0, 256, (side, side, channels), np.uint8)
    Image.fromarray(levels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def flat(side: int) -> bytes:
    """A PNG of one colour."""
    file = io.BytesIO()
    Image.new("RGB", (side, side), (9, 90, 160)).save(file, "PNG")
    return file.getvalue()


def hostile() -> Iterator[Job]:
    """Jobs that ask for much, at a size at which they end."""
    letters = f"text:text={'W' * 1000},size=400,outline=30"
    boxes = ";".join(["0;0;1500;1500"] * 40)
    grown = "resize:width=2500,height=2500,fit=fill,enlarge=true"
    yield "morphology disk 50", flat(4), f"{grown}/morphology:kind=open,radius=50", {}
    yield "median 50", flat(4), f"{grown}/median:radius=50", {}
    yield "1,000 letters, 4 steps", flat(1500), "/".join([letters] * 4), {}
    yield "40 blurred boxes", flat(1500), f"redact:mode=blur,boxes={boxes}", {}
    yield "motionblur 200", flat(4), f"{grown}/motionblur:length=200,angle=45", {}
    yield "noise as GIF", noise(1500), "", {"format": "gif"}
    yield "noise, 256 colours", noise(1500), "", {"format": "png", "colours": 256}
    yield "noise as WebP, target", noise(1500), "", {"format": "webp", "target": 0.95}
    yield "noise as JPEG, target", noise(1500), "", {"format": "jpeg", "target": 0.95}
    yield "noise as AVIF, effort 5", noise(400), "", {"format": "avif", "effort": 5}
    yield "noise as WebP, lossless, effort 9", noise(1500), "", {"format": "webp", "lossless": True, "effort": 9}
    yield "flat to 25 MP, JPEG 2000", flat(4), "resize:width=5000,height=5000,fit=fill,enlarge=true", {"format": "jp2"}


def usual() -> Iterator[Job]:
    """Usual jobs on the photographs."""
    for file in sorted(CORPUS.iterdir()):
        for ops, output in USUAL:
            yield f"{file.name}: {ops or 're-encode'} {output.get('format', '')}", file.read_bytes(), ops, dict(output)


def predicted_and_true(data: bytes, ops: str, output: dict[str, object]) -> tuple[float, float]:
    """The seconds of one job: by the estimate, and of the processor."""
    limits, pipeline, wanted = Limits(), parse_pipeline(ops), Output.model_validate(output)
    facts = facts_of(read_header(data, limits), len(data), limits, data, NO_PARTS)
    predicted = estimate(facts, [(wanted, pipeline)], limits).seconds
    began = time.process_time()
    process(data, pipeline, wanted, limits)
    return predicted, time.process_time() - began


def compared(jobs: Iterable[Job]) -> list[str]:
    """Print the rows of the jobs; return the names of those that are predicted far too cheap."""
    wrong = []
    for name, data, ops, output in jobs:
        predicted, true = predicted_and_true(data, ops, output)
        sys.stdout.write(f"| {name} | {predicted:.2f} | {true:.2f} | {predicted / true:.2f} |\n")
        if true > DEAR_S and predicted < LEAST_SHARE * true:
            wrong.append(name)
    return wrong


if __name__ == "__main__":
    prepare_process()
    sys.stdout.write("| job | predicted s | true s | predicted / true |\n| --- | --- | --- | --- |\n")
    found = [*compared(hostile()), *(compared(usual()) if CORPUS.is_dir() else [])]
    sys.exit(f"far too cheap: {', '.join(found)}" if found else 0)
