"""Fonts of the machine for scripts that the built-in font lacks, and what Chromium and HarfBuzz draw in them."""

from __future__ import annotations

import html
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from imgsrv.imaging.lettering.fonts import BUILT_IN, typeface
from imgsrv.imaging.lettering.lines import Writer
from imgsrv.imaging.lettering.masks import Block
from imgsrv.imaging.lettering.typeface import Typeface

Mask = NDArray[np.uint8]

MACHINE = ("/usr/share/fonts", "/usr/local/share/fonts")


@cache
def _found(name: str) -> Path | None:
    return next((path for root in MACHINE for path in sorted(Path(root).rglob(name))), None)


def font_file(script: str) -> Path:
    """The file of Noto Sans for a script such as `Arabic`.  Skips the test where it is missing."""
    found = _found(f"NotoSans{script}-Regular.ttf")
    if found is None:
        pytest.skip(f"Noto Sans {script} (Debian package fonts-noto-core) is not on this machine")
    return found


def chain(*scripts: str) -> list[Typeface]:
    """The built-in font, and Noto Sans for each script behind it."""
    return [typeface(BUILT_IN), *(Typeface(script, font_file(script)) for script in scripts)]


def drawn(text: str, fonts: Sequence[Typeface], size: int, align: str = "left") -> Mask:
    """The mask of a text without line breaks of its own, cut to its ink."""
    writer = Writer(fonts, size)
    block = Block(list(writer.lines(text, 1e6)), writer.fonts, size, align)
    return block.mask(block.ink)


def drawn_by_harfbuzz(text: str, font: Path, size: int, folder: Path) -> Mask:
    """What `hb-view` draws.  Skips the test where it is missing."""
    if shutil.which("hb-view") is None:
        pytest.skip("hb-view (Debian package libharfbuzz-bin) is not on this machine")
    picture = folder / "hb-view.png"
    command = ["hb-view", f"--font-file={font}", f"--font-size={size}", "--margin=10", f"--output-file={picture}"]
    subprocess.run([*command, f"--text={text}"], check=True, timeout=60)
    return _levels(picture)


def drawn_by_chromium(text: str, fonts: Sequence[Typeface], size: int, folder: Path, align: str = "left") -> Mask:
    """What Chromium draws of a paragraph in these fonts.  Skips the test where it is missing."""
    if (chromium := shutil.which("chromium")) is None:
        pytest.skip("chromium is not on this machine")
    faces = "".join(f"@font-face {{font-family: F{at}; src: url(file://{one.file})}}" for at, one in enumerate(fonts))
    names = ", ".join(f"F{at}" for at in range(len(fonts)))
    style = f"margin: 40px; white-space: pre; unicode-bidi: plaintext; width: max-content; text-align: {align};"
    page, picture = folder / "page.html", folder / "chromium.png"
    page.write_text(
        f"<!DOCTYPE html><meta charset=utf-8><style>{faces} p {{{style} font: {size}px {names}; line-height: normal}}"
        f"</style><p lang=und>{html.escape(text)}</p>"
    )
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--allow-file-access-from-files"]
    flags += [f"--user-data-dir={folder / 'profile'}", "--window-size=3000,800", "--virtual-time-budget=3000"]
    command = [chromium, *flags, f"--screenshot={picture}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=100)
    return _levels(picture)


def likeness(one: Mask, other: Mask) -> float:
    """The correlation of two masks, cut to their ink and moved by at most a pixel."""
    first, second = _cut(one), _cut(other)
    size = max(first.shape[0], second.shape[0]) + 2, max(first.shape[1], second.shape[1]) + 2
    fixed = _at(first, size, (1, 1)).ravel()
    moved = (_at(second, size, (y, x)).ravel() for y in range(3) for x in range(3))
    return max(float(np.corrcoef(fixed, one)[0, 1]) for one in moved)


def _cut(mask: Mask) -> Mask:
    rows, columns = np.flatnonzero(mask.max(axis=1) > 8), np.flatnonzero(mask.max(axis=0) > 8)
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _at(mask: Mask, size: tuple[int, int], place: tuple[int, int]) -> NDArray[np.float64]:
    canvas = np.zeros(size)
    height, width = min(mask.shape[0], size[0] - place[0]), min(mask.shape[1], size[1] - place[1])
    canvas[place[0] : place[0] + height, place[1] : place[1] + width] = mask[:height, :width]
    return canvas


def _levels(picture: Path) -> Mask:
    with Image.open(picture) as opened:
        return 255 - np.asarray(opened.convert("L"))
