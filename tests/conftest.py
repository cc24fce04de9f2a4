"""Fixtures of every test folder."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
import structlog
from hypothesis import HealthCheck, settings
from serving import Server, serving

# How long an example takes says what else the machine does, and nothing of what is tested.
settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")
settings.register_profile("long", print_blob=True)


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
