"""The gallery: it has every operation, and every operation gives the picture shown of it."""

from __future__ import annotations

import io

import gallery
import numpy as np
import pytest
from PIL import Image

from imgsrv.imaging.operations import OPERATIONS

LEAST_DB = 32.0
"""Least PSNR between a result and its picture; another version of the lossy encoder gives more."""


def test_the_page_is_as_the_script_writes_it() -> None:
    assert (gallery.DOCS / "operations.md").read_text(encoding="utf-8") == gallery.page()


def test_no_picture_is_left_of_an_operation_that_is_gone() -> None:
    shown = {f"{name}.webp" for name in OPERATIONS}
    shown |= {gallery.before_file(gallery.sample_of(name)) for name in OPERATIONS}
    assert {file.name for file in gallery.PICTURES.iterdir()} == shown


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_an_operation_does_what_it_is_shown_to_do(operation: str) -> None:
    shown = Image.open(gallery.PICTURES / f"{operation}.webp").convert("RGBA")
    done = Image.open(io.BytesIO(gallery.after(operation))).convert("RGBA")
    assert done.size == shown.size
    error = np.asarray(done, np.float64) - np.asarray(shown, np.float64)
    assert np.mean(error**2) <= 255**2 / 10 ** (LEAST_DB / 10)


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_an_operation_shows_something(operation: str) -> None:
    before = Image.open(io.BytesIO(gallery.before(gallery.sample_of(operation)))).convert("RGBA")
    after = Image.open(gallery.PICTURES / f"{operation}.webp").convert("RGBA")
    error = np.asarray(before, np.float64) - np.asarray(after.resize(before.size), np.float64)
    assert after.size != before.size or np.mean(error**2) > 20
