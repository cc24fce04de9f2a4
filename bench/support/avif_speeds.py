"""Which speed of AVIF gives the fewest bytes at equal quality, and in what time?

    python bench/support/avif_speeds.py [--sharp FOLDER] FOLDER...

FOLDER: with photographs.  Twenty of them, or of their quarters, are made smaller and encoded at each speed and quality.
--sharp: a folder with `node_modules/sharp`, whose default is the quality to be equal to; without it, that is speed 6 at
quality 60.  Prints a table of Markdown.  The packages `imgsrv` and `ssimulacra2` (0.3) have to be installed.  Times are
processor time of one thread.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from photographs import photographs
from PIL import Image
from ssimulacra2 import compute_ssimulacra2  # type: ignore[import-not-found]  # no dependency of the project

from imgsrv.imaging.analysis.ssim import luma, ssim

SPEEDS, QUALITIES = (8, 9), (10, 20, 30, 40, 50, 60, 75)

PICTURES, SIDES = 20, (512, 800, 1200)

SHARP = """
const sharp = require('sharp'); const [from, to] = process.argv.slice(1); sharp.concurrency(1);
(async () => { const before = process.cpuUsage();
  await sharp(from).avif().toFile(to);
  console.log(process.cpuUsage(before).user / 1e6) })()
"""


@dataclass(frozen=True)
class Encoded:
    """A picture as AVIF: its size in bytes, how like it is, by both measures, and the seconds that it took."""

    size: int
    ssimulacra2: float
    ssim: float
    seconds: float


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--sharp", type=Path)
    options.add_argument("folders", type=Path, nargs="+")
    given = options.parse_args()
    pictures = list(photographs(given.folders, PICTURES, SIDES).values())
    found: dict[int, list[dict[str, tuple[float, float]]]] = {speed: [] for speed in SPEEDS}
    for number, picture in enumerate(pictures):
        wanted = _by_sharp(picture, given.sharp) if given.sharp else _encoded(picture, 6, 60)
        for speed in SPEEDS:
            curve = [_encoded(picture, speed, quality) for quality in QUALITIES]
            found[speed].append({name: _at(curve, name, wanted) for name in ("ssimulacra2", "ssim")})
            print(number, picture.size, speed, wanted, curve, file=sys.stderr)
    print(f"{len(pictures)} photographs of {', '.join(map(str, SIDES))} pixels along the longer side.\n")
    print("| speed | bytes at equal SSIMULACRA2 | at equal SSIM | time |\n| --- | --- | --- | --- |")
    for speed in SPEEDS:
        cells = [_spread([one[name][0] for one in found[speed]]) for name in ("ssimulacra2", "ssim")]
        cells.append(_spread([one["ssimulacra2"][1] for one in found[speed]], digits=3))
        print(f"| {speed} | {' | '.join(cells)} |")


def _encoded(picture: Image.Image, speed: int, quality: int) -> Encoded:
    file = io.BytesIO()
    began = time.thread_time()
    picture.save(file, "AVIF", speed=speed, quality=quality, subsampling="4:2:0", max_threads=1)
    return _measured(picture, file.getvalue(), time.thread_time() - began)


def _by_sharp(picture: Image.Image, folder: Path) -> Encoded:
    with tempfile.TemporaryDirectory() as name:
        before, after = Path(name, "before.png"), Path(name, "after.avif")
        picture.save(before, compress_level=1)
        command = ["node", "-e", SHARP, str(before), str(after)]
        done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
        return _measured(picture, after.read_bytes(), float(done.stdout))


def _measured(picture: Image.Image, data: bytes, seconds: float) -> Encoded:
    shown = Image.open(io.BytesIO(data)).convert("RGB")
    with tempfile.TemporaryDirectory() as name:
        files = Path(name, "a.png"), Path(name, "b.png")
        for image, file in zip((picture, shown), files, strict=True):
            image.save(file, compress_level=1)
        score = compute_ssimulacra2(*map(str, files))
    return Encoded(len(data), score, ssim(luma(picture), luma(shown)), seconds)


def _at(curve: list[Encoded], name: str, wanted: Encoded) -> tuple[float, float]:
    """Bytes at the wanted measure, and seconds, both as parts of those of the wanted one."""
    measures = [getattr(one, name) for one in curve]
    at = getattr(wanted, name)
    size = np.exp(np.interp(at, measures, np.log([one.size for one in curve])))
    return float(size / wanted.size), float(np.interp(at, measures, [one.seconds for one in curve]) / wanted.seconds)


def _spread(values: list[float], digits: int = 2) -> str:
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


if __name__ == "__main__":
    main()
