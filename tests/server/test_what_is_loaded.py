"""What a server has in memory when it begins to serve, and what its workers share."""

from __future__ import annotations

import json
import os

import pytest
from serving import serving

HOOK = """
import gc, json, sys
from pathlib import Path

def start(slot):
    facts = {
        "modules": sorted(sys.modules),
        "collects": gc.isenabled(),
        "frozen": gc.get_freeze_count(),
        "others": len(gc.get_objects()),
    }
    Path(__file__).with_suffix(f".{slot}").write_text(json.dumps(facts))
"""

UNNEEDED = ("rich", "pygments", "attr", "redis", "obstore", "opentelemetry", "ray", "rawpy", "pypdfium2", "resvg")
"""Packages that a server without such settings or pictures does not use."""


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What a worker has when it starts."""
    folder = tmp_path_factory.mktemp("hook")
    (folder / "looking.py").write_text(HOOK)
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH", ""))))
    with serving("--workers", "1", "--on-worker-start", "looking:start", environment={"PYTHONPATH": path}):
        # A server serves when its workers have started.
        return dict(json.loads((folder / "looking.0").read_text()))


@pytest.mark.parametrize("package", UNNEEDED)
def test_a_server_does_not_load_what_it_does_not_need(facts: dict[str, list[str]], package: str) -> None:
    assert [name for name in facts["modules"] if name.partition(".")[0] == package] == []


def test_a_worker_collects_garbage_but_not_in_what_it_shares(facts: dict[str, int]) -> None:
    assert facts["collects"] is True
    assert facts["others"] < facts["frozen"] / 50
