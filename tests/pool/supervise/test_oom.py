"""If memory is short, the kernel kills a worker and not the master."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from serving import serving, wait_until

PROGRAM = [sys.executable, "-m", "imgsrv"]

RAISING = ["sh", "-c", 'echo "$0" > /proc/self/oom_score_adj && exec "$@"']
"""Raises the score that what follows inherits; nobody needs a privilege for that."""


def score(pid: int) -> int:
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text(encoding="ascii"))


def inherited() -> int:
    return score(os.getpid())


@pytest.mark.parametrize(
    ("begins_with", "worker_has"),
    [
        pytest.param(min(1000, inherited() + 50), min(1000, inherited() + 150), id="above-what-it-inherits"),
        pytest.param(1000, 1000, id="never-above-the-highest"),
    ],
)
def test_the_kernel_kills_a_worker_before_the_master(begins_with: int, worker_has: int) -> None:
    with serving("--workers", "2", program=[*RAISING, str(begins_with), *PROGRAM]) as server:
        wait_until(lambda: len(server.named("worker_ready")) == 2, "both workers are ready")

        assert score(server.pid) == begins_with
        assert [score(pid) for pid in server.workers()] == [worker_has] * 2
