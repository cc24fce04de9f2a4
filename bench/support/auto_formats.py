"""At which size does AVIF pay for its time, and WebP for its?

    python bench/support/auto_formats.py FOLDER...

FOLDER: with photographs; ten of them are made as small as each of SIDES and encoded by imgsrv in each format, without
`quality`: the defaults of the formats look alike, by `likeness.py`.  The ten drawings of `drawings.py` are encoded as
`format=auto` does it: WebP and PNG without loss, the others by their default.  Prints two tables of Markdown.  Times
are processor time.
"""

from __future__ import annotations

import argparse
import io
import time
from pathlib import Path
from statistics import median

from drawings import drawings
from photographs import photographs
from PIL import Image

from imgsrv import Output, process
from imgsrv.imaging.prepare import prepare_process

SIDES = (32, 64, 128, 256, 512, 1024, 2048)

PHOTOGRAPHS, TIMES = 10, 3

FORMATS = ("jpeg", "webp", "avif", "png")

EXACT = {"webp": {"lossless": True}}
"""What `format=auto` adds for drawings."""

Figures = dict[str, tuple[int, float]]
"""Bytes and milliseconds by the names of formats."""


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("folders", type=Path, nargs="+")
    folders = options.parse_args().folders
    prepare_process()
    print("| longer side | " + " | ".join(f"{name}: bytes, ms" for name in FORMATS) + " | AVIF: ms per kB saved |")
    print("| --- |" + " --- |" * (len(FORMATS) + 1))
    for side in SIDES:
        pictures = [one for one in photographs(folders, PHOTOGRAPHS, (side,)).values() if max(one.size) == side]
        rows = [_figures(one, {}) for one in pictures]
        dear = median([row["avif"][1] for row in rows]) - median([row["webp"][1] for row in rows])
        saved = median([row["webp"][0] for row in rows]) - median([row["avif"][0] for row in rows])
        cost = f"{dear / saved * 1e3:.0f}" if saved > 0 else "none saved"
        print(f"| {side} ({len(rows)}) | {' | '.join(_cells(rows))} | {cost} |", flush=True)
    print("\n| drawings | " + " | ".join(f"{name}: bytes, ms" for name in FORMATS) + " |")
    print("| --- |" + " --- |" * len(FORMATS))
    for name, one in drawings().items():
        print(f"| {name} | {' | '.join(_cells([_figures(one, EXACT)]))} |", flush=True)


def _figures(picture: Image.Image, given: dict[str, dict[str, bool]]) -> Figures:
    file = io.BytesIO()
    picture.save(file, "BMP")
    found: Figures = {}
    base = min(_timed(file.getvalue(), Output(format="bmp"))[1] for _ in range(TIMES))
    for name in FORMATS:
        runs = [_timed(file.getvalue(), Output(format=name, **given.get(name, {}))) for _ in range(TIMES)]
        found[name] = runs[0][0], max(0.0, min(milliseconds for _size, milliseconds in runs) - base)
    return found


def _timed(data: bytes, output: Output) -> tuple[int, float]:
    began = time.process_time()
    made = process(data, "", output)
    return len(made), (time.process_time() - began) * 1e3


def _cells(rows: list[Figures]) -> list[str]:
    """Bytes as a part of those of JPEG, which has them in kB, and milliseconds: the medians."""
    cells = []
    for name in FORMATS:
        size = median([row[name][0] for row in rows])
        part = f"{size / 1e3:.1f} kB" if name == "jpeg" else f"{size / median([row['jpeg'][0] for row in rows]):.2f}"
        cells.append(f"{part}, {median([row[name][1] for row in rows]):.1f}")
    return cells


if __name__ == "__main__":
    main()
