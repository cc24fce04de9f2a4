"""What independent readers made of pictures, kept in a folder for the next comparison."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tests.conformance.readers import Pixels


class Kept:
    """Pixels by the digest of a file; nothing is kept without a folder."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def get(self, path: Path) -> dict[str, Pixels | None]:
        """The pixels by reader, as far as they are kept."""
        file = self._file(path)
        if file is None or not file.exists():
            return {}
        with zipfile.ZipFile(file) as archive:
            found = {name: archive.read(name) for name in archive.namelist()}
        return {name: np.load(io.BytesIO(data)) if data else None for name, data in found.items()}

    def put(self, path: Path, others: Mapping[str, Pixels | None]) -> None:
        """Keep the pixels."""
        if (file := self._file(path)) is None:
            return
        part = file.with_suffix(".part")
        with zipfile.ZipFile(part, "w") as archive:
            for name, pixels in others.items():
                data = io.BytesIO()
                if pixels is not None:
                    np.save(data, pixels)
                archive.writestr(name, data.getvalue())
        part.replace(file)

    def _file(self, path: Path) -> Path | None:
        if self._folder is None:
            return None
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder / f"{hashlib.sha256(path.read_bytes()).hexdigest()}.zip"
