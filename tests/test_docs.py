"""The documents are true: their commands are run, their tables compared with the source, their links followed."""

from __future__ import annotations

import io
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import httpx
import pytest
from background import background
from PIL import Image
from serving import Server

ROOT = Path(__file__).parents[1]
TOOLS = ("dev", "docs")
"""The extras for those who change imgsrv."""

WHOLE = ("docs/imgsrv.1", "imgsrv/reference/recorded.json")
"""Files that are generated as a whole."""

GENERATED = ("docs/operating.md", "docs/requests.md", *WHOLE)


def commands_of(*documents: str) -> list[str]:
    """Every line of their blocks marked `sh`, each once, without comments."""
    texts = [(ROOT / document).read_text(encoding="utf-8") for document in documents]
    blocks = re.findall(r"```sh\n(.*?)```", "".join(texts), flags=re.DOTALL)
    lines = [line.partition(" #")[0].strip() for block in blocks for line in block.strip().splitlines()]
    return list(dict.fromkeys(lines))


COMMANDS = commands_of("README.md", "docs/first-steps.md", "docs/requests.md", "docs/operating.md")
CURLS = [command for command in COMMANDS if command.startswith("curl ")]
CONVERSIONS = [command for command in COMMANDS if command.startswith(".venv/bin/imgsrv convert ")]
OPERATING = [
    command for command in COMMANDS if re.match(r"(\.venv/bin/)?imgsrv (start|status|reload|logs|monit)\b", command)
]
TASKS = re.findall(
    r"^\| [^|]+ \| .*`/.*\|$", (ROOT / "docs/first-steps.md").read_text(encoding="utf-8"), flags=re.MULTILINE
)
SET_UPS = [command for command in COMMANDS if command.startswith("python3 -m venv ")]


def test_every_command_of_the_documents_is_of_a_kind_that_is_tested_here() -> None:
    assert sorted(COMMANDS) == sorted([*CURLS, *CONVERSIONS, *OPERATING, *SET_UPS])
    assert len(CURLS) >= 3
    assert len(OPERATING) >= 5
    assert len(TASKS) == 10


@pytest.mark.parametrize("command", CURLS, ids=lambda command: command.split("8000")[1].split("?")[0].strip("/'"))
def test_a_curl_command_of_the_documents_works(command: str, server: Server) -> None:
    _curl, _flag, body, url, *_output = shlex.split(command)

    answer = httpx.post(
        url.replace("http://127.0.0.1:8000", server.url), content=(ROOT / body.removeprefix("@")).read_bytes()
    )

    assert answer.status_code == 200, answer.text
    if answer.headers["content-type"].startswith("image/"):
        with Image.open(io.BytesIO(answer.content)) as picture:
            assert picture.size == (int(answer.headers["image-width"]), int(answer.headers["image-height"]))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.split("|")[1].strip())
def test_a_task_of_the_first_steps_is_done_by_its_line(task: str, server: Server) -> None:
    photo = (ROOT / "samples/coffee.jpg").read_bytes()
    target, *form = re.findall(r"`(/[^`]*|-F [^`]*)`", task)
    fields = dict(word.split("=", 1) for word in shlex.split(form[0] if form else "") if word != "-F")
    files = {name: photo for name, value in fields.items() if value.startswith("@")}
    texts = {name: value for name, value in fields.items() if name not in files}

    answer = httpx.post(server.url + target, content=None if files else photo, files=files, data=texts, timeout=60)

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("command", CONVERSIONS)
def test_a_convert_command_of_the_documents_works(command: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "samples", tmp_path / "samples")
    _program, *arguments = shlex.split(command)

    done = subprocess.run(
        [sys.executable, "-m", "imgsrv", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    out = tmp_path / arguments[2]
    for file in out.iterdir() if out.is_dir() else [out]:
        with Image.open(file) as picture:
            assert picture.width == 300


def test_the_operating_commands_of_the_documents_work_one_after_another(tmp_path: Path) -> None:
    with background(tmp_path) as place:
        for command in OPERATING:
            _program, verb, *arguments = shlex.split(command)
            # These end with a key only; tests/cli/test_logs.py and test_monit.py press it.
            if verb == "monit" or "-f" in arguments:
                continue
            here = [str(place.log) if argument.startswith("/var/log/") else argument for argument in arguments]
            done = place.imgsrv(verb, *here, *(["--port", "0"] if verb == "start" else []))
            assert done.returncode == 0, done.stderr


STEPS_OF_CI = {
    "python3 -m venv .venv": "python3 -m venv .venv",
    ".venv/bin/pip install -e '.[dev]'": ".venv/bin/pip install '.[dev]'",
    ".venv/bin/pip install '.[dev]'": ".venv/bin/pip install '.[dev]'",
    ".venv/bin/pytest": ".venv/bin/pytest",
    f".venv/bin/python -m imgsrv.cli.documents {' '.join(GENERATED)}": (
        f".venv/bin/python -m imgsrv.cli.documents --check {' '.join(GENERATED)}"
    ),
    ".venv/bin/pip install '.[docs]'": ".venv/bin/pip install '.[docs]'",
    ".venv/bin/mkdocs serve": ".venv/bin/mkdocs build --strict",
    "rm -rf dist": "",
    ".venv/bin/python -m build": ".venv/bin/python -m build",
    "python3 -m venv /tmp/empty": 'python3 -m venv "$environments/wheel"',
    "/tmp/empty/bin/pip install dist/*.whl": '"$environments/wheel/bin/pip" install --quiet "$environments"/dist/*.whl',  # noqa: S108  text
    "/tmp/empty/bin/python .ci/check_installed.py": '"$environments/wheel/bin/python" .ci/check_installed.py',  # noqa: S108  text
}
"""Each command of CONTRIBUTING.md, and the step of .ci/run that shows that it works; an empty one needs no proof."""


def test_every_command_of_contributing_has_a_step_of_ci() -> None:
    commands = [part for line in commands_of("CONTRIBUTING.md") for part in line.split(" && ")]
    run = (ROOT / ".ci" / "run").read_text(encoding="utf-8")

    assert set(commands) == set(STEPS_OF_CI)
    assert [step for step in STEPS_OF_CI.values() if step not in run] == []


def test_no_other_document_has_commands() -> None:
    tested = {"README.md", "CONTRIBUTING.md", "docs/first-steps.md", "docs/requests.md", "docs/operating.md"}

    assert [document for document in DOCUMENTS if document not in tested and commands_of(document)] == []


@pytest.mark.slow
def test_the_command_of_the_samples_makes_pictures(tmp_path: Path) -> None:
    (command,) = commands_of("samples/README.md")
    _python, script, _folder = command.split()

    subprocess.run([sys.executable, script, str(tmp_path)], cwd=ROOT, capture_output=True, check=True)

    assert len(list(tmp_path.iterdir())) >= 10


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_ci_runs_the_test_command_of(document: str) -> None:
    test_command = next(command for command in commands_of(document) if command.endswith("/pytest"))

    assert test_command in map(str.strip, (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines())


def test_the_generated_tables_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "imgsrv.cli.documents", "--check", *GENERATED],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_ci_checks_every_document_with_generated_tables() -> None:
    marked = [
        str(file.relative_to(ROOT))
        for file in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
        if re.search("^<!-- generated: ", file.read_text(encoding="utf-8"), re.MULTILINE)
    ]

    assert [*marked, *WHOLE] == list(GENERATED)
    assert f"--check {' '.join(GENERATED)}" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


PAGES = [f"docs/{file.name}" for file in sorted((ROOT / "docs").glob("*.md"))]
DOCUMENTS = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", *PAGES)


def anchors(document: Path) -> set[str]:
    """The anchors of a document: its headings in the spelling of GitHub."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_relative_link_leads_to_a_file_and_a_heading(document: str) -> None:
    here = ROOT / document

    broken = []
    for link in re.findall(r"\]\(([^)]+)\)", here.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        target = here.parent / path if path else here
        if "://" not in link and not (target.exists() and (not anchor or anchor in anchors(target))):
            broken.append(link)

    assert broken == []


@pytest.mark.parametrize("document", [*DOCUMENTS, "deploy/nginx.conf"])
def test_every_module_that_a_document_names_exists(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    named = set(re.findall(r"(?<![\w/.])(?:imgsrv|tests|bench|samples)/[\w/]+\.py\b", text))

    assert sorted(path for path in named if not (ROOT / path).exists()) == []


def test_every_package_has_a_line_in_the_tree_of_the_architecture() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    tree = re.search(r"```\nimgsrv/\n(.*?)^tests/", page, re.DOTALL | re.MULTILINE)
    assert tree is not None
    shown: list[str] = []
    above: list[str] = []
    for indent, name in re.findall(r"^( +)([\w.]+)", tree[1], re.MULTILINE):
        above[len(indent) // 2 - 1 :] = [name]
        shown.append("/".join(above))

    package = ROOT / "imgsrv"
    folders = {str(file.parent.relative_to(package)) for file in package.glob("*/**/__init__.py")}
    assert {path for path in shown if not path.endswith(".py")} == {
        folder for folder in folders if not folder.startswith("imaging/operations/")
    }
    assert [path for path in shown if not (package / path).exists()] == []


def test_every_dependency_has_its_reason_in_the_architecture() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [one for name, found in project["optional-dependencies"].items() if name not in TOOLS for one in found]
    named = {re.split(r"[<>=]", one)[0] for one in (*project["dependencies"], *extras)}
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]*) \|", page.partition("## Dependencies")[2], re.MULTILINE)

    assert {name for row in rows[2:] for name in re.sub(r" \(.*?\)", "", row).split(", ")} == named


PITFALLS = [
    line
    for line in (ROOT / "docs" / "pitfalls.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith(("| ---", "| | what", "| what is done"))
]


def test_every_pitfall_names_tests_that_exist() -> None:
    missing = []
    for row in PITFALLS:
        named = re.findall(r"`([\w/]+\.py)::(\w+)`", row)
        assert named, row
        for file, test in named:
            path = ROOT / "tests" / file
            if not path.exists() or f"\ndef {test}(" not in path.read_text(encoding="utf-8"):
                missing.append(f"{file}::{test}")

    assert missing == []


def test_no_number_of_the_pitfalls_is_left_out() -> None:
    numbers = [int(number) for row in PITFALLS for number in re.findall(r"^\| (\d+) \|", row)]

    assert numbers == list(range(1, 1 + len(numbers)))
    assert len(numbers) >= 55
