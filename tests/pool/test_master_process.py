"""The master as a process: it has one thread, and as process 1 of a container it gets children of others."""

from __future__ import annotations

import sys

import psutil
from serving import serving, wait_until

from imgsrv.cli._control_client import ask
from imgsrv.pool.control.instances import Place

WITH_A_STRANGER = ["sh", "-c", 'sleep 120 <&- >&- 2>&- & exec "$@"', "sh"]
"""What follows begins with a child; the kernel gives process 1 such children when their parents end."""


def test_the_master_has_one_thread_before_and_after_a_reload() -> None:
    with serving("--workers", "1") as server:
        master = psutil.Process(server.pid)
        assert master.num_threads() == 1
        ask(Place(server.folder, "default"), "reload", patience_s=120)
        assert master.num_threads() == 1


def test_a_child_that_is_no_worker_is_reaped() -> None:
    with serving("--workers", "1", program=[*WITH_A_STRANGER, sys.executable, "-m", "imgsrv"]) as server:
        children = psutil.Process(server.pid).children()
        (stranger,) = [child for child in children if child.name() == "sleep"]
        workers = [child.pid for child in children if child != stranger]
        stranger.kill()

        wait_until(lambda: server.workers() == workers, "nothing is left of the stranger")
        assert len(workers) == 1
        assert server.named("worker_exit") == []
