"""The report of a bench run: results are kept after each test, printed as a table and published at the end."""

from __future__ import annotations

from pathlib import Path

import publish
import pytest
from made.native_decoder import make_decoder
from pace import QUICK_SHARE, Pace
from report import PHOTOS, QUICK_RESULTS, RESULTS, SAMPLES, Report, is_done, keep, machine

_REPORT = Report()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the benches."""
    parser.addoption("--quick", action="store_true", help="short benches, to see that they work; no figures to keep")
    parser.addoption("--resume", action="store_true", help="leave out what has been measured of this commit")
    parser.addoption(
        "--peer", action="append", default=[], metavar="NAME=URL",
        help="another server to compare with, as name=http://127.0.0.1:9000/{width}x{height}/{file}; a URL without "
        "{file} is posted to, one with it is asked for copies of the file in --peer-folder; may be given several times",
    )  # fmt: skip
    parser.addoption(
        "--peer-folder", type=Path, metavar="DIR", help="where the pictures are written that other servers read"
    )


def pytest_configure() -> None:
    """Set up this process, and the loops that it forks, as a server sets up its workers."""
    make_decoder()
    from imgsrv.imaging.prepare import prepare_process  # noqa: PLC0415  it looks for the decoder when it is imported

    prepare_process()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is done, if asked to."""
    if not config.getoption("--resume"):
        return
    done = [item for item in items if is_done(_file(item), item.name)]
    config.hook.pytest_deselected(items=done)
    items[:] = [item for item in items if item not in done]


@pytest.fixture(scope="session")
def pace(request: pytest.FixtureRequest) -> Pace:
    """Return the length of the benches: full, or quick."""
    return Pace(QUICK_SHARE) if request.config.getoption("--quick") else Pace()


@pytest.fixture(scope="session")
def report() -> Report:
    """Return the report, which takes the figures of a bench."""
    return _REPORT


@pytest.fixture(scope="session")
def street() -> bytes:
    """The 6-megapixel photograph that sharp's published benchmark uses; skips where it is missing."""
    file = PHOTOS / "street-6mp.jpg"
    if not file.exists():
        pytest.skip(f"{file.name} is not part of the project; put it into ../shared/corpus/photos")
    return file.read_bytes()


@pytest.fixture(scope="session")
def picture() -> bytes:
    """The photograph of `street`, or the largest of the samples where it is missing."""
    file = PHOTOS / "street-6mp.jpg"
    return (file if file.exists() else SAMPLES / "hubble_deep_field.jpg").read_bytes()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item):  # type: ignore[no-untyped-def]  # noqa: ANN201  pluggy's own type
    """Keep what the test found, and how it ended."""
    _REPORT.lines.clear()
    yield
    assert isinstance(item, pytest.Function)
    keep(_file(item), item.name, _REPORT.lines, known=dir(item.module))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A line that says how a test ended."""
    if report.outcome == "passed" and report.when != "call":
        return
    why = ""
    if isinstance(report.longrepr, tuple):
        why = report.longrepr[2].removeprefix("Skipped: ")
    elif report.longrepr is not None:
        why = getattr(getattr(report.longrepr, "reprcrash", None), "message", str(report.longrepr)).splitlines()[0]
    _REPORT.record("test", outcome=report.outcome, seconds=report.duration, why=why)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the rows of the run, and publish all that is kept."""
    if not _REPORT.rows:
        return
    terminalreporter.section("imgsrv bench")
    terminalreporter.write_line(", ".join(f"{name} {value}" for name, value in machine().items()))
    width = max(len(row.question) for row in _REPORT.rows)
    for row in _REPORT.rows:
        low, high = row.spread
        mark = "reached" if row.is_reached else "MISSED"
        terminalreporter.write_line(
            f"{row.question:<{width}}  {row.value:8.3f} {row.unit:<6} "
            f"({low:.3f} to {high:.3f})  {row.wanted:<18} {mark}"
        )
    is_quick = config.getoption("--quick")
    folder = QUICK_RESULTS if is_quick else RESULTS
    terminalreporter.write_line(publish.report_of(folder))
    for file in publish.write(folder, documents=not is_quick):
        terminalreporter.write_line(f"written: {file}")


def _file(item: pytest.Item) -> Path:
    folder = QUICK_RESULTS if item.config.getoption("--quick") else RESULTS
    return folder / f"{item.path.stem.removeprefix('test_')}.jsonl"
