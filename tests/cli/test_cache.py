"""`imgsrv cache`: what is kept, and its end."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from imgsrv.cli.main import run
from imgsrv.web.cache.entry import Entry
from imgsrv.web.cache.folder import FolderStore


def fill(folder: Path, entries: int) -> None:
    store = FolderStore(folder, 10_000_000, 1_000_000)
    for number in range(entries):
        entry = Entry("image/png", 1, 1, is_broken=False, made_at=1.0, body=bytes(4000))
        asyncio.run(store.put(bytes([number]) * 32, entry))
    asyncio.run(store.close())


def test_it_shows_what_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path, 3)
    assert run(["cache", "stats", f"--cache-dir={tmp_path}", "--cache-size=10MB"]) == 0
    assert capsys.readouterr().out.startswith("3 entries, ")
    assert run(["cache", "stats", "--json", f"--cache-dir={tmp_path}", "--cache-size=10MB"]) == 0
    assert json.loads(capsys.readouterr().out) == {"entries": 3, "size": 12_288, "limit": 10_000_000}


def test_it_removes_what_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path, 3)
    assert run(["cache", "purge", f"--cache-dir={tmp_path}"]) == 0
    assert capsys.readouterr().out == "removed 3 entries\n"
    assert run(["cache", "stats", "--json", f"--cache-dir={tmp_path}"]) == 0
    assert json.loads(capsys.readouterr().out)["entries"] == 0


def test_an_empty_folder_is_an_empty_cache(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cache", "stats", f"--cache-dir={tmp_path}"]) == 0
    assert capsys.readouterr().out.startswith("0 entries, ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "status", "reason"),
    [
        pytest.param([], 2, "no cache is named", id="none-is-named"),
        pytest.param(["--cache-dir=/no/such/folder"], 2, "does not exist", id="no-such-folder"),
        pytest.param(["--cache-url=redis://127.0.0.1:1"], 1, "the cache cannot be read", id="nobody-answers"),
    ],
)
def test_what_cannot_be_read_has_its_reason(
    flags: list[str], status: int, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["cache", "stats", *flags]) == status
    assert reason in capsys.readouterr().err
