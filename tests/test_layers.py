"""The layers of docs/architecture.md and the sizes of modules and functions, read from the sources."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "imgsrv"
MODULES = sorted(PACKAGE.rglob("*.py"))

FORBIDDEN = {
    **dict.fromkeys(("errors", "routes"), ("imgsrv",)),
    **dict.fromkeys(
        ("wording", "settings", "settings_checks", "shortages"),
        ("imgsrv.imaging", "imgsrv.reference", "imgsrv.web", "imgsrv.observe", "imgsrv.pool", "imgsrv.cli"),
    ),
    "imaging": (
        *("imgsrv.web", "imgsrv.pool", "imgsrv.observe", "imgsrv.settings", "imgsrv.reference", "imgsrv.cli"),
        *("falcon", "uvicorn", "socket"),
    ),
    "library": ("imgsrv.web", "imgsrv.pool", "imgsrv.observe", "imgsrv.settings", "imgsrv.reference", "imgsrv.cli"),
    "reference": ("falcon", "uvicorn", "imgsrv.web", "imgsrv.pool", "imgsrv.observe", "imgsrv.cli"),
    "web": ("imgsrv.pool", "imgsrv.cli", "PIL", "numpy", "cv2", "cykooz_resizer"),
    "loadtest": (
        *("imgsrv.imaging", "imgsrv.reference", "imgsrv.web", "imgsrv.observe", "imgsrv.pool", "imgsrv.settings"),
        *("imgsrv.cli", "PIL", "numpy"),
    ),
    "observe": ("imgsrv.imaging", "imgsrv.web", "imgsrv.pool", "imgsrv.reference", "imgsrv.cli", "PIL", "numpy"),
    "pool": ("imgsrv.web", "imgsrv.imaging", "imgsrv.reference", "imgsrv.cli", "falcon", "PIL", "numpy"),
}
"""What each package never imports."""

LARGEST_MODULE, LARGEST_FUNCTION = 250, 50

LARGER_MODULES = {"errors.py": 350, "settings.py": 350}
"""Larger on purpose: every error on one page, most of them five lines, and every setting on one."""


def _name(file: Path) -> str:
    return str(file.relative_to(PACKAGE))


def _imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _code_lines(text: str) -> int:
    """Lines with code on them: no blank ones, no comments, no docstrings."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        is_text = token.type == tokenize.STRING and token.line.strip().startswith(('"""', 'r"""'))
        if not is_text and token.type not in (
            *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER),
        ):
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines)


@pytest.mark.parametrize("file", MODULES, ids=_name)
def test_a_module_imports_nothing_from_above_its_layer(file: Path) -> None:
    layer = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
    forbidden = FORBIDDEN.get(layer, ())

    found = [name for name in _imports(file) for banned in forbidden if name == banned or name.startswith(f"{banned}.")]

    assert found == []


@pytest.mark.parametrize("file", MODULES, ids=_name)
def test_a_module_and_its_functions_stay_small(file: Path) -> None:
    text = file.read_text(encoding="utf-8")

    functions = {
        node.name: _code_lines(ast.get_source_segment(text, node) or "")
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }

    assert _code_lines(text) <= LARGER_MODULES.get(_name(file), LARGEST_MODULE)
    assert {name: size for name, size in functions.items() if size > LARGEST_FUNCTION} == {}


@pytest.mark.parametrize("file", MODULES, ids=_name)
def test_only_the_settings_read_the_environment(file: Path) -> None:
    if _name(file) == "settings.py":
        return

    assert "os.environ" not in file.read_text(encoding="utf-8")
    assert "getenv" not in file.read_text(encoding="utf-8")
