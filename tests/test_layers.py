"""The order of the packages, which only import from below, and the sizes of folders, modules and functions."""

from __future__ import annotations

import ast
import functools
import io
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "imgsrv"
MODULES = sorted(PACKAGE.rglob("*.py"))

LAYERS = (
    ("__main__",),
    ("cli",),
    ("server",),
    ("web", "pool"),
    ("reference",),
    ("jobs", "bulk"),
    ("imgsrv",),
    ("library",),
    ("imaging.selftest", "imaging.prepare"),
    ("imaging.process", "imaging.info"),
    ("imaging.pipelines",),
    ("imaging.operations", "imaging.jpeg_fast_path"),
    ("imaging.codecs",),
    ("imaging.analysis", "imaging.metadata"),
    ("imaging.formats", "imaging.testcard"),
    ("imaging.colour",),
    ("imaging.apart",),
    ("imaging.lettering",),
    ("imaging.pixels",),
    ("imaging.memory",),
    ("imaging.model",),
    ("imaging",),
    ("observe", "loadtest"),
    ("settings",),
    ("allowed_places", "object_stores", "settings_rows"),
    ("environment",),
    ("foreign_advice", "settings_checks", "wording", "shortages", "trusted_paths", "printable"),
    ("errors", "routes", "foreign_words", "installed"),
)
"""From top to bottom: a module imports from its own package and from the rows below, also for its types.

Packages of one row do not import each other. The longest name that fits a module is its package; `imgsrv` is
`imgsrv/__init__.py` alone.
"""

FORBIDDEN = {
    "imaging": ("imgsrv.observe", "imgsrv.settings", "falcon", "uvicorn", "socket"),
    "reference": ("imgsrv.observe", "falcon", "uvicorn"),
    "web": ("PIL", "numpy", "cv2", "cykooz_resizer"),
    "loadtest": ("imgsrv.settings", "PIL", "numpy"),
    "observe": ("PIL", "numpy"),
    "pool": ("imgsrv.imaging", "imgsrv.jobs", "imgsrv.reference", "falcon", "PIL", "numpy"),
}
"""What a package does not import either, though it stands below or comes from elsewhere."""

CIRCLES: set[frozenset[str]] = set()
"""Modules that still import each other in a circle; a circle that is gone is removed from here."""

LARGEST_MODULE, LARGEST_FUNCTION, LARGEST_FOLDER = 250, 50, 20

LARGER_MODULES = {"errors.py": 660, "settings.py": 660}
"""Larger on purpose: every error on one page, most of them five lines, and every setting on one."""


def _name(file: Path) -> str:
    return str(file.relative_to(PACKAGE))


def _module(file: Path) -> str:
    """The name that imports it."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {_module(file): file for file in MODULES}


def _imports(file: Path) -> Iterator[str]:
    """Every name that it imports, those under TYPE_CHECKING and inside functions included."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@functools.cache
def _graph() -> dict[str, set[str]]:
    """The modules of the package that each module imports."""
    graph = {}
    for module, file in NAMES.items():
        found = {name if name in NAMES else name.rpartition(".")[0] for name in _imports(file)}
        graph[module] = {name for name in found if name in NAMES} - {module}
    return graph


def _layer(module: str) -> tuple[int, str]:
    """The row of its package in the table, counted from the top, and the package."""
    inside = module.removeprefix("imgsrv.")
    fitting = [
        (len(package), row, package)
        for row, packages in enumerate(LAYERS)
        for package in packages
        if inside == package or (inside.startswith(f"{package}.") and package != "imgsrv")
    ]
    assert fitting, f"{module} has no place in the table of layers"
    _length, row, package = max(fitting)
    return row, package


def _reached(graph: dict[str, set[str]], module: str) -> set[str]:
    """The modules that it imports, directly or not."""
    found, todo = set[str](), [module]
    while todo:
        for name in graph[todo.pop()] - found:
            found.add(name)
            todo.append(name)
    return found


def _circles(graph: dict[str, set[str]]) -> set[frozenset[str]]:
    """Every group of modules in which each one imports every other one, directly or not."""
    reached = {module: _reached(graph, module) for module in graph}
    return {frozenset(name for name in reached[module] if module in reached[name]) for module in graph} - {frozenset()}


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


def test_a_module_imports_only_from_below_its_layer() -> None:
    upwards = [
        f"{module} imports {name}"
        for module, names in _graph().items()
        for name in names
        if _layer(module)[1] != _layer(name)[1] and _layer(module)[0] >= _layer(name)[0]
    ]

    assert upwards == []


def test_a_package_imports_nothing_that_is_forbidden_to_it() -> None:
    found = [
        f"{_name(file)} imports {name}"
        for file in MODULES
        for banned in FORBIDDEN.get(file.relative_to(PACKAGE).parts[0], ())
        for name in _imports(file)
        if name == banned or name.startswith(f"{banned}.")
    ]

    assert found == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert _circles(_graph()) == CIRCLES


def test_no_folder_holds_many_modules() -> None:
    files = [file for folder in ("imgsrv", "tests", "bench") for file in (ROOT / folder).rglob("*.py")]
    sizes = Counter(str(file.parent.relative_to(ROOT)) for file in files if file.name != "__init__.py")

    assert {folder: size for folder, size in sizes.items() if size > LARGEST_FOLDER} == {}


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
    if _name(file) == "environment.py":
        return

    assert "os.environ" not in file.read_text(encoding="utf-8")
    assert "getenv" not in file.read_text(encoding="utf-8")
