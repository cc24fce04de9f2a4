"""The pixels that this project reads, from `imgsrv convert`'s own function in processes of their own."""

from __future__ import annotations

import io
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Self

import numpy as np
from PIL import Image

from imgsrv import Limits, Output, Pipeline, process
from imgsrv.errors import ImgsrvError
from tests.conformance.readers import Pixels


class Ours:
    """Processes that read pictures; a context manager ends them."""

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _start(self) -> None:
        self._pool = ProcessPoolExecutor(2, multiprocessing.get_context("spawn"))

    def read(self, path: Path) -> Pixels | str | None:
        """The first frame or page; None for a refused picture, and a text for an error that no client may meet."""
        try:
            return self._pool.submit(_read, path).result()
        except BrokenProcessPool:
            self._start()
            return "the process ended"


def _read(path: Path) -> Pixels | str | None:
    try:
        data = process(path.read_bytes(), Pipeline(), Output(format="png"), Limits())
    except ImgsrvError:
        return None
    except Exception as error:  # noqa: BLE001  a server would answer 500
        return f"{type(error).__name__}: {error}"
    with Image.open(io.BytesIO(data)) as image:
        if image.mode.startswith("I"):
            grey = ((np.asarray(image).astype(np.uint32) + 128) // 257).astype(np.uint8)
            return np.dstack([grey, grey, grey, np.full_like(grey, 255)])
        return np.asarray(image.convert("RGBA"))
