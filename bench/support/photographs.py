"""Photographs from folders, made smaller, for questions about encoders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

LARGE = 2400
"""Least pixels along the shorter side of a photograph of which the quarters count."""

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


def photographs(folders: list[Path], most: int, sides: Sequence[int]) -> dict[str, Image.Image]:
    """Up to `most` photographs in RGB by their names, each with the next of `sides` as its longer one.

    Where the folders have fewer, the quarters of large ones count too, which have nothing in common.
    """
    files = [file for folder in folders for file in sorted(folder.iterdir()) if file.suffix in SUFFIXES]
    parts = []
    for file in files:
        image = Image.open(file)
        if image.mode != "RGB":
            continue
        width, height = image.size
        parts.append((0, file, (0, 0, width, height)))
        if min(width, height) >= LARGE:
            half = width // 2, height // 2
            corners = [(0, 0), half, (half[0], 0), (0, half[1])]
            parts += [(rank, file, (x, y, x + half[0], y + half[1])) for rank, (x, y) in enumerate(corners, 1)]
    found: dict[str, Image.Image] = {}
    chosen = sorted(parts, key=lambda part: part[0])[:most]
    for index, (rank, file, box) in enumerate(chosen):
        part = Image.open(file).crop(box)
        part.thumbnail((sides[index % len(sides)],) * 2, Image.Resampling.LANCZOS)
        # A profile and EXIF are the same bytes in every file.
        part.info = {}
        found[f"{file.stem} {rank}" if rank else file.stem] = part
    return found
