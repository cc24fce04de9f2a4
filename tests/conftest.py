"""Fixtures of all test folders, and the number of processes of a run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import structlog
from hypothesis import HealthCheck, settings
from made.native_decoder import make_decoder
from serving import Server, serving

# How long an example takes says what else the machine does, and nothing of what is tested.  How many calls of an
# operation are not allowed says something of its parameters, and differs from run to run.
UNCHECKED = [HealthCheck.too_slow, HealthCheck.filter_too_much]
settings.register_profile("steady", deadline=None, suppress_health_check=UNCHECKED)
settings.load_profile("steady")
settings.register_profile("long", print_blob=True)

# Servers under test start as those of users do: without compiling every module again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

PROCESSES = 2
"""Processes of a run of whole folders; some tests wait for a second or more while others can use the processor."""


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Spread a run of whole folders over processes, file by file; `-n` says another number, `-n 0` none.

    A run of single files or tests stays in one process: it is over before a second one has collected its tests.
    """
    # The processes that it starts call this hook too, and must start none of their own.
    if "PYTEST_XDIST_WORKER" in os.environ or not config.pluginmanager.hasplugin("xdist"):
        return
    is_plain = config.option.numprocesses is None and not config.option.usepdb and not config.option.collectonly
    if is_plain and any(Path(argument).is_dir() for argument in config.args):
        config.option.numprocesses, config.option.dist = PROCESSES, "loadfile"
    # In the order of pytest_collection_modifyitems, not by the number of tests in a file.
    config.option.loadscopereorder = False


def pytest_configure(config: pytest.Config) -> None:
    """Make what the sources of a fresh clone lack, once for all processes."""
    if not hasattr(config, "workerinput"):
        make_decoder()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the files that hold slow tests, so that no process ends long after the other."""
    if hasattr(config, "workerinput"):
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server with two workers, for every test that neither kills nor changes it."""
    with serving("--workers", "2") as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    """A client of the shared server."""
    with server.client() as found:
        yield found


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """A test that configures the process's logger leaves none behind that writes to its own captured stream."""
    yield
    structlog.reset_defaults()
