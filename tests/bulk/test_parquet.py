"""A manifest as a Parquet table, read by Arrow."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from pictures import encoded, picture

from imgsrv.bulk import parquet
from imgsrv.errors import BadArgument
from imgsrv.installed import install_command

SQUARE = encoded(picture("RG/BY"))

READ = "import sys, json, pyarrow.parquet as p; print(json.dumps(p.read_table(sys.argv[1]).to_pylist(), default=str))"


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a Python of its own: Arrow has threads, and other tests fork."""
    return subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False)


def rows(table: Path) -> dict[str, dict[str, Any]]:
    """The rows by the names of the sources."""
    found = json.loads(python(table.parent, "-c", READ, str(table)).stdout)
    return {Path(row["source"]).name: row for row in found}


@pytest.mark.skipif(find_spec("pyarrow") is None, reason="the extra parquet is not installed")
def test_a_table_has_a_row_for_each_picture_with_what_became_of_it(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for name in (b"a.png", b"\xff.png"):
        (source / os.fsdecode(name)).write_bytes(SQUARE)
    (source / "b.png").write_bytes(SQUARE[:40])
    command = ("-m", "imgsrv", "convert", str(source), f"{tmp_path}/out/", "--manifest", f"{tmp_path}/run.parquet")

    assert python(Path.cwd(), *command).returncode == 1
    assert rows(tmp_path / "run.parquet")["b.png"]["error"].startswith("the PNG picture cannot be decoded")
    (source / "b.png").write_bytes(SQUARE)
    assert python(Path.cwd(), *command).returncode == 0

    found = rows(tmp_path / "run.parquet")
    assert sorted(found) == ["\\udcff.png", "a.png", "b.png"]
    assert {row["status"] for row in found.values()} == {"done"}
    a = found["a.png"]
    assert (a["width"], a["height"], a["format"], a["error"], a["broken"]) == (2, 2, "png", None, None)
    assert a["bytes"] == (tmp_path / "out/a.png").stat().st_size
    assert a["at"].endswith("+00:00")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out", "run.parquet", "run.parquet.jsonl"]


def test_without_pyarrow_the_extra_is_named(imgsrv: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "find_spec", lambda _name: None)
    Path("a.png").write_bytes(SQUARE)

    with pytest.raises(BadArgument, match=re.escape(f"{install_command('parquet')}; or name a file of JSON lines")):
        imgsrv("a.png", "out/", "--manifest", "run.parquet")
