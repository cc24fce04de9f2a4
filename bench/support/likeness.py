"""Which quality of each format looks like a JPEG of the default quality, and what does it cost?

    python bench/support/likeness.py [--drawings FOLDER] [--formats NAMES] [--from-file FILE] FOLDER...

FOLDER: with photographs; twenty of them, or of their quarters, are made smaller.  --drawings: pictures instead of the
ten drawings that this script makes.  Each picture becomes a JPEG of the default quality, and then a file of each other
format at the lowest quality at which SSIMULACRA2 says that it is at least as like the picture as the JPEG is.  The
files are those of imgsrv, at its default effort.  Prints tables of Markdown, and every figure to standard error as
JSON; --from-file prints the tables of such figures.  The packages `imgsrv` and `ssimulacra2` (0.3) have to be
installed.  Times are processor time.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from drawings import drawings
from photographs import SUFFIXES, photographs
from PIL import Image
from ssimulacra2 import compute_ssimulacra2  # type: ignore[import-not-found]  # no dependency of the project

from imgsrv import Output, process
from imgsrv.imaging.prepare import prepare_process

FORMATS = {"webp": 82, "avif": 65, "heic": 48, "jxl": 78}
"""The formats, and about the quality that is looked for."""

REFERENCE = "jpeg"

EXACT = "webp lossless"

PHOTOGRAPHS, SIDES = 20, (400, 640, 800)
"""How many photographs, and pixels along the longer side."""

KINDS = ("photograph", "drawing")

LOWEST, HIGHEST, STRIDE = 1, 99, 3
"""Qualities that are looked at, and the first step from the expected one."""

Row = dict[str, Any]


class Measured:
    """A picture, and files of it with their likeness."""

    def __init__(self, picture: Image.Image) -> None:
        self.picture = picture
        self.png = _encoded_png(picture)
        self.known: dict[bytes, float] = {}

    def file(self, **parameters: Any) -> tuple[bytes, float]:
        """The file with these output parameters, and the seconds that making it took."""
        began = time.process_time()
        data = process(self.png, "", Output(**parameters))
        return data, time.process_time() - began

    def likeness(self, data: bytes) -> float:
        """SSIMULACRA2 of a file: 100 for the same picture, about 80 for a good JPEG."""
        if data in self.known:
            return self.known[data]
        shown = process(data, "", Output(format="png"))
        with tempfile.TemporaryDirectory() as name:
            files = Path(name, "a.png"), Path(name, "b.png")
            for content, file in zip((self.png, shown), files, strict=True):
                file.write_bytes(content)
            return self.known.setdefault(data, float(compute_ssimulacra2(*map(str, files))))

    def figures(self, form: str, wanted: float | None, **parameters: Any) -> Row:
        """The figures of a format: at its default quality, or at the lowest that reaches the wanted likeness."""
        quality = None
        if wanted is not None:
            quality = _lowest(
                FORMATS.get(form, 75),
                lambda quality: self.likeness(self.file(format=form, quality=quality)[0]) >= wanted,
            )
            parameters["quality"] = quality
        data, seconds = self.file(format=form, **parameters)
        return {"quality": quality, "bytes": len(data), "likeness": self.likeness(data), "ms": seconds * 1e3}


def _lowest(expected: int, is_like: Callable[[int], bool]) -> int:
    """The lowest quality that is like the picture, HIGHEST if none is.  It grows steps from the expected one."""
    low, high, stride = LOWEST - 1, HIGHEST, STRIDE
    at = expected
    while low + 1 < high:
        if is_like(at):
            high = at
        else:
            low = at
        middle = (low + high) // 2
        if low < LOWEST:
            at, stride = max(high - stride, middle), 2 * stride
        elif high == HIGHEST:
            at, stride = min(low + stride, middle), 2 * stride
        else:
            at = middle
    return high


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--drawings", type=Path)
    options.add_argument("--formats", default=",".join(FORMATS))
    options.add_argument("--from-file", type=Path)
    options.add_argument("folders", type=Path, nargs="*")
    given = options.parse_args()
    formats = given.formats.split(",")
    if given.from_file:
        rows = [json.loads(line) for line in given.from_file.read_text().splitlines()]
    else:
        prepare_process()
        pictures = {"photograph": photographs(given.folders, PHOTOGRAPHS, SIDES), "drawing": _drawings(given.drawings)}
        rows = [_row(kind, name, one, formats) for kind in KINDS for name, one in pictures[kind].items()]
    print_tables(rows, formats)


def print_tables(rows: list[Row], formats: list[str]) -> None:
    """The tables: qualities and bytes at equal likeness, and what the defaults give."""
    print(
        "| format | quality like a JPEG, photographs | drawings | bytes, photographs | drawings | smaller than JPEG |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for form in formats:
        cells = [_spread([row["equal"][form]["quality"] for row in rows if row["kind"] == kind], 0) for kind in KINDS]
        shares = {kind: [_share(row, "equal", form) for row in rows if row["kind"] == kind] for kind in KINDS}
        cells += [_spread(shares[kind]) for kind in KINDS]
        smaller = sum(share < 1 for kind in KINDS for share in shares[kind])
        print(f"| {form} | {' | '.join(cells)} | {smaller} of {len(rows)} |")
    print("\n| default of | likeness, photographs | drawings | bytes, photographs | drawings | ms, photographs |")
    print("| --- | --- | --- | --- | --- | --- |")
    for form in (REFERENCE, *formats, EXACT):
        chosen = {kind: [row for row in rows if row["kind"] == kind] for kind in KINDS}
        cells = [_spread([row["default"][form]["likeness"] for row in chosen[kind]], 1) for kind in KINDS]
        cells += [_spread([_share(row, "default", form) for row in chosen[kind]]) for kind in KINDS]
        cells.append(_spread([row["default"][form]["ms"] for row in chosen["photograph"]], 0))
        print(f"| {form} | {' | '.join(cells)} |")


def _row(kind: str, name: str, picture: Image.Image, formats: list[str]) -> Row:
    measured = Measured(picture)
    jpeg = measured.figures(REFERENCE, None)
    default = {REFERENCE: jpeg, **{form: measured.figures(form, None) for form in formats}}
    default[EXACT] = measured.figures("webp", None, lossless=True)
    equal = {form: measured.figures(form, jpeg["likeness"]) for form in formats}
    row: Row = {"kind": kind, "name": name, "size": picture.size, "default": default, "equal": equal}
    print(json.dumps(row), file=sys.stderr, flush=True)
    return row


def _drawings(folder: Path | None) -> dict[str, Image.Image]:
    if folder is None:
        return drawings()
    return {one.stem: Image.open(one).convert("RGB") for one in sorted(folder.iterdir()) if one.suffix in SUFFIXES}


def _encoded_png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return file.getvalue()


def _share(row: Row, part: str, form: str) -> float:
    """Bytes of the format as a part of those of the JPEG."""
    return float(row[part][form]["bytes"] / row["default"][REFERENCE]["bytes"])


def _spread(values: list[float], digits: int = 2) -> str:
    """The median, and the least and the most."""
    if not values:
        return "–"
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


if __name__ == "__main__":
    main()
