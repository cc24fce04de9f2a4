"""`imgsrv fonts`, and the route with the same list."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from serving import serving

from imgsrv.imaging.lettering.fonts import BUILT_IN, typeface

WIDE = os.environ | {"COLUMNS": "300"}


def fonts(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "imgsrv", "fonts", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=WIDE)


def test_the_table_tells_family_style_file_and_scripts() -> None:
    row = next(line for line in fonts().stdout.splitlines() if line.startswith(f"{BUILT_IN} "))
    assert row.split()[1:6] == [*["Source", "Sans", "Pro", "Regular", "SourceSansPro-Regular.ttf"]]
    assert {word.strip(",") for word in row.split()[6:]} == {"Latin", "Greek", "Cyrillic"}


def test_fonts_of_the_folder_are_listed_and_those_of_no_use_with_the_reason(tmp_path: Path) -> None:
    shutil.copy(typeface(BUILT_IN).file, tmp_path / "Mine.ttf")
    (tmp_path / "Packed.woff2").write_bytes(b"wOF2" + bytes(60))
    shown = fonts("--font-dir", str(tmp_path), "--font-fallback", "Mine").stdout.splitlines()
    assert next(line for line in shown if line.startswith("Mine ")).split()[-1] == "1"
    assert [line for line in shown if line.startswith("not used: Packed, which is a WOFF2")]


def test_an_unknown_fallback_is_one_line() -> None:
    done = fonts("--font-fallback", "Comic")
    assert done.returncode == 2
    assert done.stderr.startswith("imgsrv: --font-fallback=Comic")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_the_route_gives_what_the_command_gives_and_a_fallback_writes(tmp_path: Path) -> None:
    shutil.copy(typeface(BUILT_IN).file, tmp_path / "Mine.ttf")
    flags = ("--font-dir", str(tmp_path), "--font-fallback", "Mine")
    with serving(*flags) as server:
        assert httpx.get(f"{server.url}/fonts").json() == json.loads(fonts("--json", *flags).stdout)
