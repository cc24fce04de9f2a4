"""The command that adds an extra is one that works from where this imgsrv came from (PEP 610)."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import pytest

from imgsrv.installed import install_command, pip, wanted, with_command

REQUIRES = (
    'pillow-heif<2,>=1.8; extra == "heif"',
    "resvg<0.3,>=0.2; extra == 'svg'",
    'pylibjxl<0.6,>=0.5; platform_machine == "x86_64" and extra == "turbo"',
    'opentelemetry-exporter-otlp-proto-http<2,>=1.45; extra == "otel"',
    'opentelemetry-sdk<2,>=1.45; extra == "otel"',
)


def installed(folder: Path, origin: dict[str, Any] | None) -> Distribution:
    """imgsrv as an installer notes it.  origin: what it says of where imgsrv came from; None for an index."""
    notes = folder / "imgsrv-0.1.0.dist-info"
    notes.mkdir()
    requires = "".join(f"Requires-Dist: {one}\n" for one in REQUIRES)
    (notes / "METADATA").write_text(f"Metadata-Version: 2.4\nName: imgsrv\nVersion: 0.1.0\n{requires}")
    if origin is not None:
        (notes / "direct_url.json").write_text(json.dumps(origin))
    return Distribution.at(notes)


REPOSITORY = {"url": "https://example.com/imgsrv.git", "vcs_info": {"vcs": "git", "commit_id": "0123abc"}}


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        pytest.param(None, ["imgsrv[heif]"], id="an-index"),
        pytest.param({"url": "file://HERE/a%20b", "dir_info": {}}, ["HERE/a b[heif]"], id="a-folder"),
        pytest.param(
            {"url": "file://HERE/a%20b", "dir_info": {"editable": True}}, ["-e", "HERE/a b[heif]"], id="for-work-on-it"
        ),
        pytest.param({"url": "file://HERE/imgsrv.whl", "archive_info": {}}, ["HERE/imgsrv.whl[heif]"], id="a-wheel"),
        pytest.param({"url": "file:///gone", "dir_info": {}}, ["pillow-heif<2,>=1.8"], id="a-folder-that-is-gone"),
        pytest.param(
            {"url": "https://example.com/imgsrv-0.1.0-py3-none-any.whl", "archive_info": {}},
            ["imgsrv[heif] @ https://example.com/imgsrv-0.1.0-py3-none-any.whl"],
            id="a-url",
        ),
        pytest.param(REPOSITORY, ["imgsrv[heif] @ git+https://example.com/imgsrv.git@0123abc"], id="a-repository"),
        pytest.param(
            {**REPOSITORY, "vcs_info": {**REPOSITORY["vcs_info"], "requested_revision": "v1"}, "subdirectory": "py"},  # type: ignore[dict-item]
            ["imgsrv[heif] @ git+https://example.com/imgsrv.git@v1#subdirectory=py"],
            id="a-folder-of-a-version",
        ),
    ],
)
def test_what_is_installed_is_what_imgsrv_came_from(
    tmp_path: Path, origin: dict[str, Any] | None, expected: list[str]
) -> None:
    (tmp_path / "a b").mkdir()
    (tmp_path / "imgsrv.whl").touch()
    if origin is not None:
        origin = {**origin, "url": origin["url"].replace("HERE", str(tmp_path))}
    found = installed(tmp_path, origin)
    assert wanted("heif", found, tmp_path) == [word.replace("HERE", str(tmp_path)) for word in expected]


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ("otel", ["opentelemetry-exporter-otlp-proto-http<2,>=1.45", "opentelemetry-sdk<2,>=1.45"]),
        ("turbo", ["pylibjxl<0.6,>=0.5"]),
        ("svg", ["resvg<0.3,>=0.2"]),
    ],
)
def test_if_that_is_gone_the_packages_of_the_extra_are_named(tmp_path: Path, extra: str, expected: list[str]) -> None:
    assert wanted(extra, installed(tmp_path, {"url": "file:///gone", "dir_info": {}}), tmp_path) == expected


def test_sources_that_run_where_they_lie_are_named_also_if_they_are_not_installed(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    assert wanted("heif", None, tmp_path) == [f"{tmp_path}[heif]"]


def test_a_shell_gives_pip_the_words(tmp_path: Path) -> None:
    command = f"{pip(tmp_path)} install {shlex.join(['it is[heif]', 'a<2,>=1'])}"
    shown = subprocess.run(
        ["/bin/bash", "-c", f"set -- {command}; printf '%s\\n' \"$@\""], capture_output=True, text=True, check=True
    )
    assert shown.stdout.splitlines() == [sys.executable, "-m", "pip", "install", "it is[heif]", "a<2,>=1"]


def test_the_pip_of_the_environment_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "an environment" / "bin" / "pip"
    own.parent.mkdir(parents=True)
    own.touch(mode=0o755)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert pip(own.parents[1]) == f"'{own}'"
    monkeypatch.setenv("PATH", str(own.parent))
    assert pip(own.parents[1]) == "pip"


def test_a_message_that_names_an_extra_gets_the_command_once() -> None:
    message = "the body is HEIC, which the extra `heif` adds; this server reads JPEG"
    assert with_command(message) == f"{message}; to install it: {install_command('heif')}"
    assert with_command(with_command(message)) == with_command(message)
    assert with_command("there is no file") == "there is no file"


def test_nothing_but_this_module_writes_such_a_command() -> None:
    root = Path(__file__).parents[1] / "imgsrv"
    texts = {file: file.read_text(encoding="utf-8") for file in root.rglob("*.py") if file.name != "installed.py"}
    assert [str(file) for file, text in texts.items() if "imgsrv[" in text] == []
