"""`imgsrv convert` in a folder of its own."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from imgsrv.cli import convert


@pytest.fixture
def imgsrv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """`imgsrv convert` with the given arguments; the current folder is empty."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    parser = argparse.ArgumentParser()
    convert.add_parser(parser.add_subparsers())

    def run(*arguments: str) -> int:
        parsed = parser.parse_args(["convert", *arguments])
        return int(parsed.run(parsed))

    return run
